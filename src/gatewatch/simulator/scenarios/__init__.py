"""Labelled scenarios: what attackers do, and what only looks like it. The registry is a dict of id to scenario."""

from gatewatch.simulator.scenarios import credentials, decoys, force, mfa, takeover
from gatewatch.simulator.scenarios.base import Run, Scenario, Scene, campaign_id

SCENARIOS: dict[str, Scenario] = {
    scenario.id: scenario
    for family in (credentials, force, takeover, mfa, decoys)
    for scenario in family.SCENARIOS
}

__all__ = ["SCENARIOS", "Run", "Scenario", "Scene", "campaign_id"]
