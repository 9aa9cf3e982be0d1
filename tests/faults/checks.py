"""What must be true in the end. Each check gives a line per violation, with enough to look it up."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from math import isclose
from typing import NamedTuple

import msgspec

from gatewatch import bootstrap
from gatewatch.core import anomalies, profiles, records
from gatewatch.core.anomalies import Anomaly
from gatewatch.core.countmin import CHUNK, CountMin
from gatewatch.core.decisions import challenge_id, decision_id, login_id
from gatewatch.core.engine import Engine
from gatewatch.core.events import LoginEvent
from gatewatch.core.partitioning import partition_of
from gatewatch.core.records import ControlRecord, EventRecord, RejectRecord
from gatewatch.core.times import HOUR, MINUTE
from gatewatch.ingest.contract import Arrival
from gatewatch.ingest.decisions import login_of, read_decision, read_report
from gatewatch.ports import ANOMALIES, LOGINS, TenantKey
from gatewatch.services.frequencies import SKETCHED
from tests.faults import oracle
from tests.faults.scenario import AFTER, ANONYMOUS, BEFORE, GARBAGE, POISON, Chunk, Item
from tests.faults.stored import Stored, StoredEvent

#: The stretch of time that activity is counted in.
TEN_MINUTES = 10 * MINUTE


class Sent(NamedTuple):
    """What was acknowledged: the digests sent per event id, ids of control records and rejects, ids per origin, and of
    each decision its login with what was reported of it.
    """

    digests: dict[TenantKey, set[bytes]]
    controls: set[TenantKey]
    rejects: set[TenantKey]
    counted: dict[str, set[str]]
    decided: dict[TenantKey, Decided]


class Decided(msgspec.Struct):
    """A login that was decided on, and what was reported of it."""

    event: LoginEvent
    login: str = ""
    challenge: str = ""


def sent(chunks: Iterable[Chunk]) -> Sent:
    """What a script sends."""
    found = Sent(defaultdict(set), set(), set(), defaultdict(set), {})
    for chunk in chunks:
        for item in chunk:
            match item.kind:
                case "garbage" | "anonymous" | "poison":
                    continue  # has no id of its own
                case "decided":
                    _sent_question(item, found)
                case "reported":
                    _sent_report(item, found)
                case _:
                    _sent_item(item, found)
    for (tenant, id), decided in found.decided.items():
        found.controls.update((tenant, control) for control in _challenges(id, decided))
    return found


def _sent_question(item: Item, found: Sent) -> None:
    record = read_decision(item.value, _arrival(item), "").record
    tenant, event_id = key = (record.tenant_id, record.event.event_id)
    found.digests[key].add(record.digest)
    found.decided.setdefault((tenant, decision_id(tenant, event_id)), Decided(record.event))


def _sent_report(item: Item, found: Sent) -> None:
    """What a report says, and the login it becomes where that is news."""
    report, decided = read_report(item.value), found.decided[item.tenant_id, item.about]
    decided.login, decided.challenge = report.login or decided.login, report.challenge or decided.challenge
    if report.login and report.login != decided.event.outcome:
        record = login_of(report, item.value, decided.event, item.about, _arrival(item))
        found.digests[item.tenant_id, login_id(item.about)].add(record.digest)


def _challenges(id: str, decided: Decided) -> Iterator[str]:
    """The control records of a challenge: one about the login, and one about what it became."""
    if decided.challenge:
        yield challenge_id(id, decided.event.event_id)
        if decided.login not in ("", decided.event.outcome):
            yield challenge_id(id, login_id(id))


def _arrival(item: Item) -> Arrival:
    return Arrival(tenant_id=item.tenant_id, received=1 << 60, source="decision")


def _sent_item(item: Item, found: Sent) -> None:
    if item.value[:1] == b"{":
        record: records.Record = bootstrap.read_foreign(item.value, item.key, "", 1 << 60)
    else:
        record = records.decode(item.value)
    match record:
        case EventRecord():
            found.digests[record.tenant_id, record.event.event_id].add(record.digest)
            if record.origin:
                found.counted[record.tenant_id].add(record.event.event_id)
        case ControlRecord():
            found.controls.add((record.tenant_id, record.id))
        case RejectRecord():
            found.rejects.add((record.tenant_id, record.id))


def _differ(what: str, stored: Iterable[object], expected: Iterable[object]) -> list[str]:
    have, want = set(stored), set(expected)
    return [f"{what} is missing: {x}" for x in sorted(map(str, want - have))] + [
        f"{what} should not be there: {x}" for x in sorted(map(str, have - want))
    ]


# (a) Every acknowledged record exactly once ------------------------------------------------------------------------


def acknowledged(sent: Sent, stored: Stored) -> list[str]:
    """Events, conflicts, control records: each once, repeats change nothing, nothing else is there."""
    times = Counter(row.key for row in stored.events)
    anonymous = {
        ("default", f"{LOGINS}-{part}-{off}")
        for (part, off), (key, _) in stored.watched.items()
        if key.endswith(ANONYMOUS)
    }
    found = [f"event {key} is stored {n} times" for key, n in times.items() if n > 1]
    found += _differ("event", times, sent.digests.keys() | anonymous)
    stored_digests: dict[TenantKey, set[bytes]] = {row.key: {row.digest} for row in stored.events}
    for tenant, id, digest in stored.conflicts:
        if digest in stored_digests.setdefault((tenant, id), set()):
            found.append(f"conflict of {(tenant, id)} is the stored event's own body")
        stored_digests[tenant, id].add(digest)
    found += [
        f"event {key}: stored and in conflict are other bodies than were sent"
        for key, digests in stored_digests.items()
        if key not in anonymous and digests != sent.digests.get(key)
    ]
    doubts = {(tenant, f"doubt-{finding}-{id}") for tenant, finding, id in stored.doubts}
    controls = {(row.control.tenant_id, row.control.id) for row in stored.controls}
    found += _differ("control record", controls, sent.controls | doubts)
    tallied = {tenant: len(ids) for tenant, ids in sent.counted.items()}
    return found + _differ("tally of an import", stored.tallies.items(), tallied.items())


def dead_letters(sent: Sent, stored: Stored) -> list[str]:
    """What nobody can read, what an edge refused and what the store refuses: one dead letter each."""
    watched: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for place, (key, _) in stored.watched.items():
        watched[key.partition(":")[2]].add(place)
    by_reason: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for dead in stored.dead:
        by_reason[dead.reason].append((dead.part, dead.off))
    found = _differ("undecodable", by_reason.pop("undecodable", []), watched[GARBAGE])
    found += _differ(
        "reject", ((d.tenant_id, d.id) for d in stored.dead if d.reason == "bad_json"), sent.rejects
    )
    by_reason.pop("bad_json", None)
    poison = {
        place
        for key, places in watched.items()
        if key.startswith(POISON)
        for place in places
        if place[0] == partition_of(f"default:{key}", BEFORE) == partition_of(f"default:{key}", AFTER)
    }
    found += _differ("refused", by_reason.pop("refused", []), poison)
    return found + [f"dead letters for another reason, {reason}: {p}" for reason, p in by_reason.items()]


# (b) The oracle ----------------------------------------------------------------------------------------------------


def replay(engine: Engine, stored: Stored) -> list[str]:
    """Assessments and profiles are byte-identical to a replay, columns and anomalies of users equal."""
    one, found = oracle.Replay(engine, stored), []
    hits: list[Anomaly] = []
    states: set[TenantKey] = set()
    for key, rows in oracle.by_user(stored).items():
        replayed = one.user(rows)
        found += replayed.differences
        hits += replayed.hits
        if replayed.state is not None:
            states.add(key)
            found += _user(key, replayed, stored)
    found += _differ("profile", stored.users, states)
    return found + _user_anomalies(hits, stored)


def _user(key: TenantKey, replayed: oracle.Replayed, stored: Stored) -> list[str]:
    row, state = stored.users.get(key), replayed.state
    if row is None or state is None:
        return []
    found = []
    if row.state != profiles.encode(state.profile):
        found.append(f"profile of {key}: stored {profiles.decode(row.state)}, replayed {state.profile}")
    columns = (state.name, state.user_id, state.last_seen)
    if (row.name, row.user_id, row.last_seen) != columns or not isclose(row.risk, state.risk, rel_tol=1e-12):
        found.append(f"columns of {key}: stored {row[1:]}, replayed {columns} and risk {state.risk}")
    return found


def _unversioned(anomaly: Anomaly) -> str:
    return anomalies.encode(msgspec.structs.replace(anomaly, version=0)).decode()


def _user_anomalies(hits: Iterable[Anomaly], stored: Stored) -> list[str]:
    expected = {(a.tenant_id, a.id): _unversioned(a) for a in oracle.merged(hits)}
    have = {key: _unversioned(row.body) for key, row in stored.anomalies.items() if row.body.event_id}
    return _differ("anomaly of a user", have.items(), expected.items())


def anomaly_columns(stored: Stored) -> list[str]:
    """What stands beside an anomaly's body says the same."""
    found = []
    for key, (a, columns, _) in stored.anomalies.items():
        times = (a.slot, a.first_seen, a.last_seen)
        expected = (a.subject_kind, a.subject, a.detector, a.state, a.severity, a.score, a.version, *times)
        if columns != expected or key != (a.tenant_id, a.id):
            found.append(f"columns of anomaly {key}: {columns} beside {expected}")
    return found


# (c) Source state and value counts -----------------------------------------------------------------------------------


def source_state(stored: Stored) -> list[str]:
    """Buckets without a deleted share equal those rebuilt from all stored attack failures; no other is missing."""
    rebuilt, found = oracle.rebuilt_buckets(stored), []
    for row, bucket in rebuilt.items():
        kept = stored.buckets.get(row)
        if row in stored.deleted:
            if kept is not None and kept.failures >= bucket.failures:
                found.append(
                    f"bucket {row} was deleted and holds {kept.failures} of {bucket.failures} failures"
                )
        elif kept != bucket:
            found.append(f"bucket {row}: stored {kept}, rebuilt {bucket}")
    return found + [f"bucket {row} has no failures" for row in stored.buckets.keys() - rebuilt.keys()]


def value_counts(stored: Stored) -> list[str]:
    """The partitions' counts of values add up to all successes that were not held."""
    counted, found = oracle.counted(stored), []
    expected = {(tenant, *key): n for tenant, counts in counted.items() for key, n in counts.counts().items()}
    found += _differ("count of a value", stored.counts.items(), expected.items())
    summed: dict[tuple[str, str], list[int]] = defaultdict(lambda: CountMin().counters)
    for tenant, name, chunk, data in stored.sketches:
        _add(summed[tenant, name], chunk, data)
    for tenant, frequencies in counted.items():
        for name in SKETCHED:
            have, want = summed[tenant, name], frequencies.counters(name)
            wrong = [i // CHUNK for i, n in enumerate(want) if have[i] != n]
            found += [f"chunk {chunk} of {name} of {tenant}" for chunk in sorted(set(wrong))]
    return found


def _add(counters: list[int], chunk: int, data: bytes) -> None:
    for i, n in enumerate(array("I", data), chunk * CHUNK):
        counters[i] += n


def rollups(stored: Stored) -> list[str]:
    """What batches counted for overviews equals a count over all stored events, per partition."""
    activity: dict[tuple[str, int, int], Counter[str]] = defaultdict(Counter)
    values: dict[tuple[str, str, int, int, str], Counter[str]] = defaultdict(Counter)
    for row in stored.events:
        tenant, part, time = row.event.tenant_id, row.place[1], row.event.time
        what = ["events", _ended(row.event.outcome), *(["signalled"] if row.detectors else [])]
        activity[tenant, part, time // TEN_MINUTES * TEN_MINUTES].update(what)
        for kind, value in _counted_by(row):
            values[tenant, kind, part, time // HOUR * HOUR, value].update(what)
    names = ("events", "success", "failure", "signalled")
    series = {key: tuple(n[name] for name in names) for key, n in activity.items()}
    tops = {key: (n["events"], n["failure"], n["signalled"], n["other"]) for key, n in values.items()}
    return _differ("count of activity", stored.activity.items(), series.items()) + _differ(
        "count of a value's activity", stored.activity_values.items(), tops.items()
    )


def _ended(outcome: str) -> str:
    return outcome if outcome in ("success", "failure") else "other"


def _counted_by(row: StoredEvent) -> Iterable[tuple[str, str]]:
    event = row.event
    if event.geo is not None and event.geo.country:
        yield "country", event.geo.country
    if event.asn is not None and event.asn.number:
        yield "asn", str(event.asn.number)
    if event.ip and (row.detectors or event.outcome == "failure"):
        yield "ip", event.ip
    if row.detectors:
        yield "user", row.user_key
    for detector in set(row.detectors):
        yield "detector", detector


# (e) The outbox, and (g) the offsets ------------------------------------------------------------------------------


def outbox(stored: Stored) -> list[str]:
    """Each anomaly's versions 1..n once, the last as stored; each partition's numbers without gap, all relayed."""
    versions: dict[TenantKey, list[Anomaly]] = defaultdict(list)
    numbers: dict[int, list[int]] = defaultdict(list)
    for message in stored.outbox:
        numbers[message.part].append(message.seq)
        if message.topic == ANOMALIES:
            anomaly = anomalies.decode(message.value)
            versions[anomaly.tenant_id, anomaly.id].append(anomaly)
    found = _differ("anomaly in the outbox", versions, stored.anomalies)
    for key, said in versions.items():
        found += _versions(key, said, stored)
    lanes = {part: row[2:] for part, row in stored.partitions.items()} | stored.lanes
    for part, (out_seq, position) in lanes.items():
        if numbers[part] != list(range(1, out_seq + 1)):
            found.append(
                f"outbox of partition {part} has {len(numbers[part])} messages, numbered to {out_seq}"
            )
        if position != out_seq:
            found.append(f"outbox of partition {part} was relayed to {position} of {out_seq}")
    return found


def _versions(key: TenantKey, said: list[Anomaly], stored: Stored) -> list[str]:
    said.sort(key=lambda anomaly: anomaly.version)
    found = []
    if [a.version for a in said] != list(range(1, len(said) + 1)):
        found.append(f"versions of anomaly {key} in the outbox: {[a.version for a in said]}")
    if key in stored.anomalies and said[-1] != stored.anomalies[key].body:
        found.append(f"anomaly {key}: last said {said[-1]}, stored {stored.anomalies[key].body}")
    return found


def offsets(stored: Stored) -> list[str]:
    """Everything on the log was read, and no range of it was lost."""
    found = [
        f"partition {part} was read to {read} of {end}"
        for part, (end, read, _, _) in stored.partitions.items()
        if end != read
    ]
    return found + [f"a gap was found: {gap}" for gap in stored.gaps]


Check = Callable[[Stored], list[str]]
