"""What was told over HTTP must be what is stored: decisions, (h), statuses, (i), the stream, (j)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from gatewatch.core import anomalies
from gatewatch.core.decisions import decision_id
from gatewatch.ports import ANOMALIES, STATUSES, TenantKey
from gatewatch.services import positions
from tests.faults.checks import Sent
from tests.faults.listener import RECONNECTS, TENANT, Told
from tests.faults.people import Change, Request, Result, Shown
from tests.faults.stored import Message, Stored, StoredStatus
from tests.faults.witnesses import Witnessed

#: A place in the log of events ("event", part, offset), or in the outbox ("anomaly", lane, number).
Place = tuple[str, int, int]
#: What is told of there: its name, and its version and revision (0 where it has none, or another message tells it).
Content = tuple[str, int, int]

# (h) Decisions -----------------------------------------------------------------------------------------------------


def decisions(sent: Sent, witnessed: Witnessed, stored: Stored) -> list[str]:
    """Each is stored once, with what was reported of it; it was answered with these bytes whenever it was asked."""
    found = [
        f"decision {key} was never made" for key in sorted(sent.decided.keys() - stored.decisions.keys())
    ]
    found += [f"nobody asked for {key}" for key in sorted(stored.decisions.keys() - sent.decided.keys())]
    for key, decision in stored.decisions.items():
        asked = sent.decided.get(key)
        if asked is not None and (decision.login, decision.challenge) != (asked.login, asked.challenge):
            found.append(f"decision {key}: reported {asked}, stored {decision}")
    for when, answers in (("at first", witnessed.answers), ("in the end", witnessed.again)):
        told = {(a.tenant_id, decision_id(a.tenant_id, a.event_id)) for a in answers}
        found += [f"decision {key} was not answered {when}" for key in sorted(sent.decided.keys() - told)]
        for answer in answers:
            kept = stored.decisions.get((answer.tenant_id, decision_id(answer.tenant_id, answer.event_id)))
            if kept is None or kept.answer != answer.body:
                found.append(f"{answer} was answered {when}, stored is {kept}")
    return found


# (i) Statuses ------------------------------------------------------------------------------------------------------


def statuses(witnessed: Witnessed, stored: Stored) -> list[str]:
    """Revisions 1..n of each anomaly, the last in force, each published once in its order; all that was acknowledged
    is among them, and nothing that nobody asked for; what was not acknowledged is there whole or not at all.
    """
    found = _histories(stored) + _published(stored)
    requests = witnessed.requests
    rows = {
        (id, row.revision): row
        for (tenant, id), history in stored.history.items()
        if tenant == TENANT
        for row in history
    }
    authors = _authors(requests)
    told: set[tuple[str, int]] = set()
    for request in requests:
        if request.results is not None:
            for change, result in zip(request.changes, request.results, strict=True):
                found += _answered(change, result, rows)
                if result.outcome == "changed":
                    told.add((change.id, change.revision + 1))
    for request in requests:
        if request.results is None:
            by = authors.get(request.by, "")
            done = {
                at for at in map(_place, request.changes) if at not in told and _is(request, by, at, rows)
            }
            told |= done
            found += _whole(request, done, rows)
    if not told:
        found.append("nobody changed a status")
    return found + [f"nobody asked for {at}: {rows[at]}" for at in sorted(rows.keys() - told)]


def _histories(stored: Stored) -> list[str]:
    found = [
        f"status without history, or history without status: {key}"
        for key in stored.statuses.keys() ^ stored.history.keys()
    ]
    counts: dict[TenantKey, set[int]] = defaultdict(set)
    for message in stored.outbox:
        if message.topic == ANOMALIES:
            anomaly = anomalies.decode(message.value)
            counts[anomaly.tenant_id, anomaly.id].add(anomaly.count)
    for key, rows in stored.history.items():
        if [row.revision for row in rows] != list(range(1, len(rows) + 1)):
            found.append(f"revisions of {key}: {rows}")
        if sorted(rows, key=lambda row: row.changed_at) != rows:
            found.append(f"changes of {key} are not in the order of their times: {rows}")
        if stored.statuses.get(key) != rows[-1]:
            found.append(f"{key} is {stored.statuses.get(key)}, last said was {rows[-1]}")
        # What came after a resolution is told by the hits at that time, so those must have been true once.
        found += [f"{key} never had the hits of {row}" for row in rows if row.hits not in counts[key]]
    return found


def _published(stored: Stored) -> list[str]:
    said: dict[TenantKey, list[StoredStatus]] = defaultdict(list)
    for message in sorted(stored.outbox, key=lambda message: message.seq):
        if message.topic == STATUSES:
            key, row = _status(message)
            said[key].append(row)
    return [
        f"published of {key}: {said[key]}, said: {stored.history.get(key)}"
        for key in said.keys() | stored.history.keys()
        if said[key] != stored.history.get(key)
    ]


def _status(message: Message) -> tuple[TenantKey, StoredStatus]:
    """What a message of the app's lane says."""
    body: dict[str, Any] = msgspec.json.decode(message.value)
    at = datetime.fromisoformat(body["changed_at"])
    row = StoredStatus(body["revision"], body["status"], body["count"], at, body["changed_by"])
    return (body["tenant_id"], body["anomaly"]), row


def _authors(requests: Iterable[Request]) -> dict[str, str]:
    """What stands for each person in what is stored."""
    return {
        request.by: result.said["changed_by"]
        for request in requests
        for result in request.results or ()
        if result.outcome == "changed" and result.said is not None
    }


def _place(change: Change) -> tuple[str, int]:
    return change.id, change.revision + 1


def _answered(change: Change, result: Result, rows: dict[tuple[str, int], StoredStatus]) -> list[str]:
    """Whether an answer is true: a change is there as it was told, and what stood against one was there."""
    said = result.said or {}
    match result.outcome:
        case "changed":
            row = rows.get(_place(change))
            time = datetime.fromisoformat(said["changed_at"])
            told = StoredStatus(said["revision"], said["status"], said["hits"], time, said["changed_by"])
            true = row == told and (told.revision, told.status) == (change.revision + 1, change.status)
        case "conflict":
            row = rows.get((change.id, said["revision"]))
            true = said["revision"] != change.revision and (row is None or row.status == said["status"])
        case _:
            row, true = rows.get(_place(change)), change.id == "0" * 32
    return [] if true else [f"{change} was answered by {result}, stored is {row}"]


def _is(request: Request, by: str, at: tuple[str, int], rows: dict[tuple[str, int], StoredStatus]) -> bool:
    """Whether what stands at a revision is what somebody asked for."""
    row = rows.get(at)
    return (
        row is not None and row.changed_by == by and Change(at[0], row.status, at[1] - 1) in request.changes  # type: ignore[arg-type]  # a status
    )


def _whole(
    request: Request, done: set[tuple[str, int]], rows: dict[tuple[str, int], StoredStatus]
) -> list[str]:
    """Of a request that was done everything is there, at one time, but what another was faster with."""
    places = [_place(change) for change in request.changes if change.id != "0" * 32]
    times = {rows[at].changed_at for at in done}
    if len(times) > 1 or (done and any(at not in rows for at in places)):
        return [f"of {request} only a part was done: {sorted(done)}"]
    return []


def shown(witnessed: Witnessed, stored: Stored) -> list[str]:
    """The API shows each anomaly under its status, and of a resolved one how many hits came since."""
    expected: dict[str, Shown] = {}
    for (tenant, id), (anomaly, *_) in stored.anomalies.items():
        if tenant == TENANT:
            said = stored.statuses.get((tenant, id))
            status, revision, hits = (said.status, said.revision, said.hits) if said else ("new", 0, 0)
            since = max(0, anomaly.count - hits) if status == "resolved" else 0
            expected[id] = Shown(status, revision, anomaly.count, since)
    return [
        f"anomaly {id}: shown as {witnessed.shown.get(id)}, is {expected.get(id)}"
        for id in sorted(expected.keys() | witnessed.shown.keys())
        if witnessed.shown.get(id) != expected.get(id)
    ]


# (j) The stream ----------------------------------------------------------------------------------------------------


def stream(witnessed: Witnessed, stored: Stored) -> list[str]:
    """A client that came again and again was told of each stored event, version and status once, and of no other."""
    there = _told_of(stored)
    heard: Counter[Place] = Counter()
    found = []
    for place, told in _places(witnessed.told, there):
        if place is None:
            found.append(f"the stream told of what is not stored: {told}")
        else:
            heard[place] += 1
    found += [f"the stream told {n} times of {there[at]} at {at}" for at, n in heard.items() if n > 1]
    found += [f"the stream did not tell of {there[at]} at {at}" for at in sorted(there.keys() - heard.keys())]
    if witnessed.connections <= RECONNECTS:
        found.append(f"the stream's client came again only {witnessed.connections - 1} times")
    return found


def _told_of(stored: Stored) -> dict[Place, Content]:
    """What the stream tells of, by where it was stored."""
    there: dict[Place, Content] = {}
    for row in stored.events:
        if row.event.tenant_id == TENANT:
            there["event", row.place[1], row.place[2]] = (row.event.event_id, 0, 0)
    for message in stored.outbox:
        if message.topic == ANOMALIES:
            anomaly = anomalies.decode(message.value)
            if anomaly.tenant_id == TENANT:
                there["anomaly", message.part, message.seq] = (anomaly.id, anomaly.version, 0)
        elif message.topic == STATUSES:
            (tenant, id), said = _status(message)
            if tenant == TENANT:
                there["anomaly", message.part, message.seq] = (id, 0, said.revision)
    return there


def _places(told: Iterable[Told], there: dict[Place, Content]) -> Iterator[tuple[Place | None, Told]]:
    """Each message with the place it tells of: where its id moved to, and where that very thing is stored."""
    before = positions.read(TENANT, positions.write(TENANT, {}, {}))
    for one in told:
        now = positions.read(TENANT, one.id)
        if one.event == "event":
            moved = [
                ("event", part, at - 1) for part, at in now.events.items() if before.events.get(part) != at
            ]
        else:
            moved = [
                ("anomaly", lane, at) for lane, at in now.outbox.items() if before.outbox.get(lane) != at
            ]
        yield next((at for at in moved if _tells(one, there.get(at))), None), one
        before = now


def _tells(told: Told, content: Content | None) -> bool:
    """Whether a message tells of something; what stands beside it, a version its status, is as it was just then."""
    if content is None:
        return False
    name, version, revision = content
    return told.name == name and (version in (0, told.version)) and (revision in (0, told.revision))
