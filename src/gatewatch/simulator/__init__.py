"""Seeded worlds with labelled attacks: what detectors are tested, tuned and demonstrated on. Pure.

The map: `network` is a made-up internet over reserved space; `population` its people, `rhythm` their hours,
`presence` where they are, `agents` what their browsers send; `traffic` is their ordinary life, `scenarios` what
attackers do and what only looks like it; `world` puts all of it in event-time order; `wire` writes it down and
`pacing` says when to send it. Every random stream has a seed derived from its name (`seeds`).
"""

from gatewatch.simulator.flood import flood
from gatewatch.simulator.labels import Campaign, Label, Simulated
from gatewatch.simulator.network import networks
from gatewatch.simulator.population import Population
from gatewatch.simulator.scenarios import SCENARIOS
from gatewatch.simulator.wire import label_json, native_json, read_labels
from gatewatch.simulator.world import DEFAULT_START, World, demo_world, throughput_world

__all__ = [
    "DEFAULT_START",
    "SCENARIOS",
    "Campaign",
    "Label",
    "Population",
    "Simulated",
    "World",
    "demo_world",
    "flood",
    "label_json",
    "native_json",
    "networks",
    "read_labels",
    "throughput_world",
]
