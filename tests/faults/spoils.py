"""What spoils what a run without faults stored, one thing at a time, each with the check that must find it."""

from collections.abc import Callable

import msgspec

from gatewatch.core import anomalies
from gatewatch.ports import ANOMALIES, LOGINS, STATUSES, TenantKey
from tests.faults.listener import TENANT
from tests.faults.stored import DeadLetter, Message, Stored

Spoil = Callable[[Stored], None]


def _lose_event(stored: Stored) -> None:
    stored.events.pop()


def _repeat_event(stored: Stored) -> None:
    stored.events.append(stored.events[0])


def _other_body(stored: Stored) -> None:
    """Of an event that has an id of its own: what the others were sent as is not known."""
    at = next(n for n, row in enumerate(stored.events) if not row.key[1].startswith(f"{LOGINS}-"))
    stored.events[at] = stored.events[at]._replace(digest=b"another")


def _lose_conflict(stored: Stored) -> None:
    stored.conflicts.pop()


def _lose_control(stored: Stored) -> None:
    stored.controls.pop()


def _wrong_tally(stored: Stored) -> None:
    stored.tallies["default"] += 1


def _lose_dead_letter(stored: Stored) -> None:
    stored.dead.pop()


def _bury_twice(stored: Stored) -> None:
    stored.dead.append(DeadLetter("default", f"{LOGINS}-0-0", "refused", 0, 0))


def _other_assessment(stored: Stored) -> None:
    stored.events[0] = stored.events[0]._replace(assessment=stored.events[0].assessment + " ")


def _other_order(stored: Stored) -> None:
    """The first two events of the user with the most change places."""
    users = [row.user_key for row in stored.events]
    user = max(set(users), key=users.count)
    one, two = sorted(
        (i for i, row in enumerate(stored.events) if row.user_key == user),
        key=lambda i: stored.events[i].place,
    )[:2]
    events = stored.events
    events[one], events[two] = (
        events[one]._replace(place=events[two].place),
        events[two]._replace(place=events[one].place),
    )


def _other_profile(stored: Stored) -> None:
    key, row = next(iter(stored.users.items()))
    stored.users[key] = row._replace(state=next(r.state for k, r in stored.users.items() if k != key))


def _other_risk(stored: Stored) -> None:
    key, row = next((k, r) for k, r in stored.users.items() if r.risk > 0)
    stored.users[key] = row._replace(risk=row.risk + 1e-6)


def _lose_profile(stored: Stored) -> None:
    stored.users.popitem()


def _change_anomaly(stored: Stored, of_user: bool) -> None:
    key, row = next((k, r) for k, r in stored.anomalies.items() if bool(r.body.event_id) == of_user)
    stored.anomalies[key] = row._replace(body=msgspec.structs.replace(row.body, count=row.body.count + 1))


def _other_user_anomaly(stored: Stored) -> None:
    _change_anomaly(stored, of_user=True)


def _other_finding(stored: Stored) -> None:
    _change_anomaly(stored, of_user=False)


def _lose_finding(stored: Stored) -> None:
    del stored.anomalies[next(k for k, r in stored.anomalies.items() if not r.body.event_id)]


def _other_columns(stored: Stored) -> None:
    key, row = next(iter(stored.anomalies.items()))
    stored.anomalies[key] = row._replace(columns=(*row.columns[:-1], 0))


def _other_bucket(stored: Stored) -> None:
    next(iter(stored.buckets.values())).failures += 1


def _lose_bucket(stored: Stored) -> None:
    stored.buckets.popitem()


def _other_count(stored: Stored) -> None:
    key = next(iter(stored.counts))
    stored.counts[key] += 1


def _count_twice(stored: Stored) -> None:
    key, row = next(iter(stored.activity.items()))
    stored.activity[key] = (2 * row[0], *row[1:])


def _other_top(stored: Stored) -> None:
    stored.activity_values.popitem()


def _lose_chunk(stored: Stored) -> None:
    stored.sketches.pop()


def _lose_last_message(stored: Stored) -> None:
    stored.outbox.pop()


def _repeat_version(stored: Stored) -> None:
    stored.outbox.append(next(m for m in stored.outbox if m.topic != LOGINS))


def _ahead(stored: Stored) -> None:
    end, read, seq, position = stored.partitions[0]
    stored.partitions[0] = (end, read, seq, position + 1)


def _unread(stored: Stored) -> None:
    end, read, seq, position = stored.partitions[0]
    stored.partitions[0] = (end + 1, read, seq, position)


def _gap(stored: Stored) -> None:
    stored.gaps.append((0, 1, 2))


def _behind(stored: Stored) -> None:
    out_seq, position = stored.lanes[-1]
    stored.lanes[-1] = (out_seq, position - 1)


def _other_answer(stored: Stored) -> None:
    key, row = next(iter(stored.decisions.items()))
    stored.decisions[key] = row._replace(answer=row.answer + b" ")


def _lose_decision(stored: Stored) -> None:
    stored.decisions.popitem()


def _decide_twice(stored: Stored) -> None:
    stored.decisions["default", "dec_of_nobody"] = next(iter(stored.decisions.values()))


def _forget_report(stored: Stored) -> None:
    key, row = next((key, row) for key, row in stored.decisions.items() if row.login)
    stored.decisions[key] = row._replace(login="")


def _lose_reported_login(stored: Stored) -> None:
    stored.events.remove(next(row for row in stored.events if row.key[1].startswith("dec_")))


def _longest(stored: Stored) -> TenantKey:
    """The anomaly that most was said of."""
    return max(stored.history, key=lambda key: len(stored.history[key]))


def _lose_change(stored: Stored) -> None:
    """The last change of an anomaly is gone without a trace."""
    key = _longest(stored)
    lost = stored.history[key].pop()
    stored.statuses[key] = stored.history[key][-1]
    stored.outbox.remove(_published(stored, key, lost.revision))


def _published(stored: Stored, key: TenantKey, revision: int) -> Message:
    return next(
        message
        for message in stored.outbox
        if message.topic == STATUSES
        and (said := msgspec.json.decode(message.value))["anomaly"] == key[1]
        and said["revision"] == revision
    )


def _lose_history(stored: Stored) -> None:
    del stored.history[_longest(stored)][0]


def _other_status(stored: Stored) -> None:
    key, row = next(iter(stored.statuses.items()))
    stored.statuses[key] = row._replace(status="new" if row.status != "new" else "resolved")


def _change_unasked(stored: Stored) -> None:
    """Somebody changed an anomaly, all in form, whom nobody asked to."""
    key = _longest(stored)
    last = stored.history[key][-1]
    said = last._replace(revision=last.revision + 1)
    stored.history[key].append(said)
    stored.statuses[key] = said
    message = _published(stored, key, last.revision)
    value = msgspec.json.encode(msgspec.json.decode(message.value) | {"revision": said.revision})
    stored.outbox.append(message._replace(seq=stored.lanes[-1][0] + 1, value=value))


def _other_author(stored: Stored) -> None:
    rows = stored.history[_longest(stored)]
    rows[0] = rows[0]._replace(changed_by="account:nobody")


def _publish_twice(stored: Stored) -> None:
    message = next(message for message in stored.outbox if message.topic == STATUSES)
    stored.outbox.append(message._replace(seq=stored.lanes[-1][0] + 1))


def _publish_not(stored: Stored) -> None:
    stored.outbox.remove(next(message for message in stored.outbox if message.topic == STATUSES))


def _wrong_hits(stored: Stored) -> None:
    rows = stored.history[_longest(stored)]
    rows[0] = rows[0]._replace(hits=rows[0].hits + 1_000_000)


def _grown(stored: Stored) -> None:
    """A resolved anomaly has a hit that is not shown."""
    key = next(key for key, row in stored.statuses.items() if row.status == "resolved")
    row = stored.anomalies[key]
    stored.anomalies[key] = row._replace(body=msgspec.structs.replace(row.body, count=row.body.count + 1))


def _lose_version(stored: Stored) -> None:
    """Of a tenant that somebody listens to."""
    versions = (message for message in stored.outbox if message.topic == ANOMALIES)
    stored.outbox.remove(next(m for m in versions if anomalies.decode(m.value).tenant_id == TENANT))


def _store_more(stored: Stored) -> None:
    row = next(row for row in stored.events if row.key[0] == "default")
    stored.events.append(row._replace(place=(row.place[0], row.place[1], row.place[2] + 1_000_000)))


def _lose_told(stored: Stored) -> None:
    stored.events.remove(next(row for row in stored.events if row.key[0] == "default"))


def _lose_doubt(stored: Stored) -> None:
    stored.doubts.clear()


SPOILT: list[tuple[str, Spoil]] = [
    ("acknowledged", _lose_event),
    ("acknowledged", _repeat_event),
    ("acknowledged", _other_body),
    ("acknowledged", _lose_conflict),
    ("acknowledged", _lose_control),
    ("acknowledged", _wrong_tally),
    ("dead_letters", _lose_dead_letter),
    ("dead_letters", _bury_twice),
    ("replay", _other_assessment),
    ("replay", _other_order),
    ("replay", _other_profile),
    ("replay", _other_risk),
    ("replay", _lose_profile),
    ("replay", _other_user_anomaly),
    ("anomaly_columns", _other_columns),
    ("source_state", _other_bucket),
    ("source_state", _lose_bucket),
    ("value_counts", _other_count),
    ("value_counts", _lose_chunk),
    ("rollups", _lose_event),
    ("rollups", _count_twice),
    ("rollups", _other_top),
    ("findings", _other_finding),
    ("findings", _lose_finding),
    ("outbox", _lose_last_message),
    ("outbox", _repeat_version),
    ("outbox", _ahead),
    ("doubts", _lose_doubt),
    ("offsets", _unread),
    ("offsets", _gap),
    ("outbox", _behind),
    ("acknowledged", _lose_reported_login),
    ("decisions", _other_answer),
    ("decisions", _lose_decision),
    ("decisions", _decide_twice),
    ("decisions", _forget_report),
    ("statuses", _lose_change),
    ("statuses", _lose_history),
    ("statuses", _other_status),
    ("statuses", _change_unasked),
    ("statuses", _other_author),
    ("statuses", _publish_twice),
    ("statuses", _publish_not),
    ("statuses", _wrong_hits),
    ("shown", _other_status),
    ("shown", _grown),
    ("stream", _lose_told),
    ("stream", _lose_version),
    ("stream", _store_more),
    ("stream", _publish_twice),
]
