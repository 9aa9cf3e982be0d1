"""The checks of findings on sources, (d), and of the doubts they cast on logins, (f)."""

from collections import Counter, defaultdict
from ipaddress import ip_address, ip_network
from typing import NamedTuple

import msgspec

from gatewatch.core import anomalies, subjects
from gatewatch.core.anomalies import SLOT, Anomaly
from gatewatch.core.engine import Engine
from gatewatch.core.policy import DEFAULT
from gatewatch.core.sources import BUCKET, Buckets
from gatewatch.core.times import HOUR, SECOND
from gatewatch.ports import PartitionStore, SourceKey, Tenant
from gatewatch.services.reviews import Search
from tests.faults import oracle
from tests.faults.stored import Stored, StoredEvent

#: A finding's source, slot and detector.
FindingKey = tuple[SourceKey, int, str]
Findings = dict[FindingKey, Anomaly]
#: How long a transaction may be under way before it is stored (µs): a stopped one is ended within this time.
UNDER_WAY = 10 * SECOND
#: A source and a slot.
SlotKey = tuple[SourceKey, int]

_SLOT_BUCKETS = SLOT // BUCKET


class Expected(NamedTuple):
    """What the review of everything gives: under the first policy, and under the one in force."""

    first: Findings
    last: Findings


def expected(engine: Engine, store: PartitionStore, stored: Stored) -> Expected:
    """All findings on all sources, from buckets rebuilt from all stored failures."""
    united = oracle.united(oracle.rebuilt_buckets(stored))
    found = Expected({}, {})
    for key, buckets in united.items():
        salt, tenant_id = stored.salts[key[0]], key[0]
        revision = max(r for tenant, r in stored.policies if tenant == tenant_id)
        for tenant, into in (
            (Tenant(salt, DEFAULT), found.first),
            (Tenant(salt, stored.policies[tenant_id, revision]), found.last),
        ):
            search, failed = Search(store, engine, tenant, key, buckets), set[str]()
            for slot in _slots(buckets):
                for finding in search.find(slot, failed):
                    anomaly = anomalies.of_finding(tenant_id, finding, tenant.policy)
                    into[key, slot, finding.detector] = anomaly
            assert not failed, failed
    return found


def _slots(buckets: Buckets) -> range:
    first, last = min(buckets) * BUCKET // SLOT, max(buckets) * BUCKET // SLOT
    return range((first - 1) * SLOT, (last + 1) * SLOT, SLOT)


def stored_findings(stored: Stored) -> Findings:
    """The findings that are not withdrawn."""
    return {
        ((a.tenant_id, a.subject_kind, a.subject), a.slot, a.detector): a
        for a, *_ in stored.anomalies.values()
        if not a.event_id and a.state == "open"
    }


def lost(stored: Stored) -> dict[SlotKey, int]:
    """The slots of sources that a bucket was deleted from, and when (µs) the first was."""
    found: dict[SlotKey, int] = {}
    for (key, _, index), at in stored.deleted.items():
        slot = index // _SLOT_BUCKETS * SLOT
        for place in ((key, slot), (key, slot - SLOT)):
            found[place] = min(at, found.get(place, at))
    return found


def of_the_rest(stored: Stored, gone: dict[SlotKey, int]) -> set[FindingKey]:
    """The findings that a review made of what deletion had left of a slot, and that are not marked as frozen.

    A known weakness, counted apart: what is left of a slot can look like what the whole never was (a stuffing has at
    most so many tries per user), where a policy changes or a very late failure comes just then.
    """
    return {
        (key, a.slot, a.detector)
        for a, _, updated_at in stored.anomalies.values()
        for key in [(a.tenant_id, a.subject_kind, a.subject)]
        if not a.event_id
        and a.state == "open"
        and not a.frozen
        and updated_at > gone.get((key, a.slot), updated_at)
    }


def too_late(stored: Stored, gone: dict[SlotKey, int]) -> Counter[SlotKey]:
    """The failures that came when their source's slot had already lost a bucket: no review could count them.

    `stored_at` is when their transaction began; it may have been under way, or stopped, while the bucket went.
    """
    found: Counter[SlotKey] = Counter()
    for row in stored.events:
        if row.event.is_attack_failure:
            slot = row.event.time // SLOT * SLOT
            for kind, value in subjects.subjects_of(row.event):
                key = (row.event.tenant_id, kind, value)
                found.update(
                    (key, s)
                    for s in (slot, slot - SLOT)
                    if (key, s) in gone and row.stored_at >= gone[key, s] - UNDER_WAY
                )
    return found


def findings(expected: Expected, stored: Stored) -> list[str]:
    """Open findings equal the review of everything; one that lost buckets is at least what it was, none is missing."""
    have, gone = stored_findings(stored), lost(stored)
    late, rest = too_late(stored, gone), of_the_rest(stored, gone)
    found = []
    for key, anomaly in have.items():
        if key in rest:
            continue
        if key[:2] in gone:
            found += _lossy(key, anomaly, expected, late[key[:2]])
        elif _plain(anomaly) != _plain(expected.last.get(key)):
            found.append(f"finding {key}: stored {anomaly}, rebuilt {expected.last.get(key)}")
    # What lost its buckets before the policy changed was only ever reviewed under the first one.
    wanted = [k for k in expected.last if k[:2] not in gone or (k in expected.first and not late[k[:2]])]
    return found + [f"finding {key} is missing: {expected.last[key]}" for key in wanted if key not in have]


def _lossy(key: FindingKey, anomaly: Anomaly, expected: Expected, late: int) -> list[str]:
    rebuilt = [a for a in (expected.first.get(key), expected.last.get(key)) if a is not None]
    if anomaly.frozen:
        if not rebuilt or any(_covers(anomaly, a, late) for a in rebuilt):
            return []
    elif any(_plain(anomaly) == _plain(a) for a in rebuilt):
        return []
    return [
        f"finding {key}, which lost buckets ({late} failures came later): stored {anomaly}, rebuilt {rebuilt}"
    ]


def _covers(frozen: Anomaly, rebuilt: Anomaly, late: int) -> bool:
    """Whether a frozen finding is at least what the rebuilt one is without the failures that came too late."""
    if late:
        return frozen.support + late >= rebuilt.support
    return (frozen.score, frozen.support) >= (rebuilt.score, rebuilt.support)


def _plain(anomaly: Anomaly | None) -> str:
    if anomaly is None:
        return ""
    return anomalies.encode(msgspec.structs.replace(anomaly, version=0)).decode()


def tolerated(stored: Stored) -> Counter[str]:
    """How the open findings stand: exact, or with deleted buckets."""
    gone = lost(stored)
    late, rest = too_late(stored, gone), of_the_rest(stored, gone)
    found = Counter(
        {
            "under which failures came too late": sum(late[key[:2]] > 0 for key in stored_findings(stored)),
            "made of what deletion had left": len(rest),
        }
    )
    return found + Counter(
        "frozen" if a.frozen else "last reviewed before its buckets went" if key[:2] in gone else "exact"
        for key, a in stored_findings(stored).items()
    )


def doubts(stored: Stored) -> list[str]:
    """Every success under an open finding was sent to its user's owner, and processed there with its login known."""
    by_address: dict[tuple[str, str], list[StoredEvent]] = defaultdict(list)
    for row in stored.events:
        if row.event.is_success and not row.user_key.startswith("@ip:"):
            by_address[row.event.tenant_id, row.event.ip].append(row)
    processed = {row.control.id for row in stored.controls if row.known}
    found = []
    for (key, _, _), anomaly in stored_findings(stored).items():
        for row in _successes(key, by_address):
            policy = getattr(DEFAULT, anomaly.detector, None)
            until = anomaly.last_seen + getattr(policy, "window", HOUR)
            if anomaly.first_seen <= row.event.time <= until:
                id = f"doubt-{anomaly.id}-{row.event.event_id}"
                if id not in processed or (key[0], anomaly.id, row.event.event_id) not in stored.doubts:
                    found.append(f"login {row.key} was not doubted because of {anomaly}")
    return found


def _successes(key: SourceKey, by_address: dict[tuple[str, str], list[StoredEvent]]) -> list[StoredEvent]:
    tenant, kind, value = key
    if kind == "ip":
        return by_address.get((tenant, value), [])
    network = ip_network(value)
    return [
        row
        for (owner, ip), rows in by_address.items()
        if owner == tenant and ip and ip_address(ip) in network
        for row in rows
    ]
