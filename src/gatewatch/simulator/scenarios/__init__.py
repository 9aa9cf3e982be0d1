"""Labelled scenarios: what attackers do, and what only looks like it. The registry is a dict of id to scenario."""

from gatewatch.simulator.scenarios.base import Run, Scenario, Scene, campaign_id

SCENARIOS: dict[str, Scenario] = {}

__all__ = ["SCENARIOS", "Run", "Scenario", "Scene", "campaign_id"]
