"""Source detectors against a real log and the simulator's labelled worlds, without any store around them."""

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from gatewatch.core.events import LoginEvent
from gatewatch.core.keys import prefix_of
from gatewatch.core.policy import DEFAULT
from gatewatch.core.records import EventRecord
from gatewatch.core.signals import Finding, Subject
from gatewatch.core.sketches import keyed_hash
from gatewatch.core.sources import Buckets
from gatewatch.core.subjects import count_failure
from gatewatch.core.times import MINUTE
from gatewatch.detectors import default_engine
from gatewatch.ingest.contract import Arrival, Line
from gatewatch.ingest.sshd import SshdAdapter
from tests.builders import at
from tests.unit.simulator.worlds import small

LOG = Path(__file__).parents[2] / "data" / "sshd-auth.log"
SALT = b"tests"
ENGINE = default_engine()


def reviewed(events: Iterable[LoginEvent]) -> dict[str, list[Finding]]:
    """All findings by address or prefix; who ever got in from a source explains their own few failures there."""
    buckets: dict[Subject, Buckets] = defaultdict(dict)
    inside: dict[Subject, set[int]] = defaultdict(set)
    for event in events:
        for subject in (("ip", event.ip), ("prefix", prefix_of(event.ip))):
            if event.is_attack_failure:
                count_failure(buckets[subject], event, SALT)
            elif event.is_success:
                inside[subject].add(keyed_hash(SALT, event.user_key))
    found = {
        subject[1]: ENGINE.review(subject, buckets[subject], frozenset(inside[subject]), DEFAULT)
        for subject in buckets
    }
    return {subject: findings for subject, findings in found.items() if findings}


@cache
def sshd_events() -> list[LoginEvent]:
    """The events of the real log."""
    adapter = SshdAdapter("0" * 64)
    arrival = Arrival(tenant_id="acme", received=at("2017-04-21 00:00:00"), source="sshd")
    found: list[LoginEvent] = []
    offset = 0
    for number, data in enumerate(LOG.read_bytes().splitlines(keepends=True), 1):
        results = adapter.read(Line(data.rstrip(b"\n"), offset, number), arrival)
        found += [result.event for result in results if isinstance(result, EventRecord)]
        offset += len(data)
    return found


def bursts(events: Iterable[LoginEvent]) -> set[str]:
    """The addresses with ten or more failures within ten minutes, counted one by one."""
    times: dict[str, list[int]] = defaultdict(list)
    for event in events:
        if event.is_attack_failure:
            times[event.ip].append(event.time)
    return {
        ip
        for ip, found in times.items()
        if any(b - a <= 10 * MINUTE for a, b in zip(sorted(found), sorted(found)[9:], strict=False))
    }


def test_every_noisy_source_of_the_real_log_is_named() -> None:
    """Each of the ten sources with ten failures in ten minutes has a finding with its address in the evidence."""
    noisy = bursts(sshd_events())
    found = reviewed(sshd_events())
    assert len(noisy) == 10
    assert noisy <= found.keys()
    assert all(finding.evidence["address"] == ip for ip in noisy for finding in found[ip])


def test_accepted_addresses_of_the_real_log_are_no_attackers() -> None:
    """Of the four addresses that got in, only the one that took an account over is named."""
    accepted = {event.ip for event in sshd_events() if event.is_success}
    assert len(accepted) == 4
    assert accepted & reviewed(sshd_events()).keys() == {"24.151.103.17"}


ATTACKS = ("stuffing", "spraying_fast", "spraying_slow", "enumeration", "brute_force_single")
DECOYS = ("office_nat", "carrier_nat", "product_launch", "password_expiry_monday")


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("scenario", ATTACKS)
def test_attacks_by_a_source_are_found(scenario: str, seed: int) -> None:
    """Every source of a labelled attack is named under what its label expects, and nobody else is named."""
    world = small(scenario, seed=seed)
    (campaign,) = world.campaigns()
    found = reviewed(item.event for item in world.events())
    assert found.keys() == set(campaign.sources)
    for findings in found.values():
        assert {finding.detector for finding in findings} & set(campaign.expected)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("scenario", DECOYS)
def test_decoys_are_no_attacks(scenario: str, seed: int) -> None:
    """What only looks like an attack opens nothing on any source."""
    assert reviewed(item.event for item in small(scenario, seed=seed).events()) == {}
