"""Findings on sources: opened, updated, withdrawn, frozen; what they mean for the logins from there."""

import msgspec
import pytest

from gatewatch.adapters.postgres.commits import subject_hash
from gatewatch.core import profiles
from gatewatch.core.events import LoginEvent, User
from gatewatch.core.partitioning import partition_of
from gatewatch.core.times import DAY, HOUR, MINUTE, SECOND
from tests.builders import AWAY_IP, HOSTING, LAGOS, SAFARI, START, daily, failure, login
from tests.integration.heart.rig import Heart

ATTACKER = {"ip": AWAY_IP, "geo": LAGOS, "asn": HOSTING, "ua": SAFARI}


def _attack(count: int, start: int = START, step: int = 20 * SECOND, users: int = 12) -> list[LoginEvent]:
    return [
        failure(start + i * step, user=f"victim{i % users}", event_id=f"attack-{start}-{i}", **ATTACKER)
        for i in range(count)
    ]


@pytest.mark.postgres15
def test_a_finding_is_opened_once_and_updated(heart: Heart) -> None:
    """Twelve failures of an address open one anomaly; eight more raise its count and version."""
    heart.take(*_attack(12))
    (one,) = heart.anomalies("brute_force")
    assert (one.subject, one.count, one.version, one.state) == (AWAY_IP, 12, 1, "open")
    heart.take(*_attack(8, START + 5 * MINUTE))
    (two,) = heart.anomalies("brute_force")
    assert (two.id, two.count, two.version) == (one.id, 20, 2)
    assert [v for id, v in heart.announced() if id == one.id] == [1, 2]


def test_a_review_without_a_change_says_nothing(heart: Heart) -> None:
    """The same sources looked at once more give no new version."""
    heart.take(*_attack(12))
    said = heart.announced()
    heart.rows("SELECT 1")
    heart.session.run(
        "INSERT INTO review_queue SELECT tenant_id, kind, value, -2, 0, 0, 1, 0, 9000000 FROM source_view", {}
    )
    assert heart.review()
    assert heart.announced() == said


def _spraying(extra: int = 0) -> list[LoginEvent]:
    """Six users, four tries each over an hour and a half; `extra` more of the first within it."""
    events = [
        failure(START + i * 3 * MINUTE, user=f"victim{i % 6}", event_id=f"spray{i}", **ATTACKER)
        for i in range(24)
    ]
    return events + [
        failure(START + i * 3 * MINUTE + SECOND, user="victim0", event_id=f"extra{i}", **ATTACKER)
        for i in range(extra)
    ]


def test_late_tries_withdraw_a_finding(heart: Heart) -> None:
    """Tries that arrive late show that it was no spraying: the finding is withdrawn under a new version."""
    events = _spraying(extra=24)
    heart.take(*events[:24])
    (opened,) = heart.anomalies("password_spraying")
    assert opened.state == "open"
    heart.take(*events[24:])
    (closed,) = heart.anomalies("password_spraying")
    assert (closed.id, closed.state) == (opened.id, "withdrawn")
    assert [v for id, v in heart.announced() if id == opened.id] == list(range(1, closed.version + 1))


def _forget_buckets(heart: Heart, before: int | None = None) -> None:
    """Store an empty-handed batch that deletes the old buckets of its partition (all of them), on every partition."""
    for part in list(heart.owned):
        name = next(f"quiet{i}" for i in range(99) if _part(f"quiet{i}") == part)
        heart.send(login(START - DAY, user=name))
        batch = heart.make(part)
        assert batch is not None
        batch.delete_before = heart.clock.time + DAY if before is None else before
        heart.commit(batch)


def _part(name: str) -> int:
    return partition_of(f"acme:{name}", 4)


def test_a_finding_that_lost_its_buckets_is_frozen(heart: Heart) -> None:
    """Once old buckets are deleted, a later failure neither lowers nor withdraws what was found with them."""
    heart.take(*_attack(30))
    (opened,) = heart.anomalies("brute_force")
    _forget_buckets(heart)
    assert heart.count("source_activity") == 0
    heart.take(*_attack(1, START + 6 * HOUR))
    (frozen,) = heart.anomalies("brute_force")
    assert (frozen.state, frozen.count, frozen.score, frozen.frozen) == (
        "open",
        opened.count,
        opened.score,
        True,
    )
    heart.take(*_attack(20, START + 7 * HOUR, step=SECOND))
    assert heart.anomalies("brute_force") == [frozen]  # scores higher and holds less
    heart.take(*_attack(60, START + 8 * HOUR, step=SECOND))
    (raised,) = heart.anomalies("brute_force")
    assert (raised.score, raised.count) > (frozen.score, frozen.count)
    assert raised.first_seen == frozen.first_seen


def test_buckets_that_wait_for_their_review_are_not_deleted(heart: Heart) -> None:
    """What is queued is kept however old it is."""
    heart.send(*_attack(12))
    heart.work()
    kept = heart.count("source_activity")
    _forget_buckets(heart)
    assert heart.rows("SELECT count(*)::int FROM source_activity WHERE kind = 'ip'")[0][0] >= 1
    assert 0 < heart.count("source_activity") <= kept


def _won(time: int, event_id: str = "won") -> LoginEvent:
    return login(time, user="victim0", event_id=event_id, **ATTACKER)


def test_the_login_before_the_attack_was_recognised(heart: Heart) -> None:
    """A success in the middle of an attack that is found later is doubted: a takeover, and on probation."""
    heart.take(*daily(10, START - 11 * DAY, user="victim0"))
    attack = _attack(40, users=40)
    heart.take(*attack[:3], _won(attack[2].time + SECOND), *attack[3:])
    (takeover,) = heart.anomalies("account_takeover")
    assert (takeover.subject, takeover.event_id) == ("victim0", "won")
    assert takeover.evidence["finding"]
    assert [
        h.ref
        for h in profiles.decode(heart.store.users([("acme", "victim0")])["acme", "victim0"].profile).held
    ]
    assert {known for (known,) in heart.rows("SELECT known FROM control_records WHERE kind = 'doubt'")} == {
        True
    }


def test_the_login_after_the_attack_was_recognised(heart: Heart) -> None:
    """A success from an address under an open finding is a takeover at once."""
    heart.take(*daily(10, START - 11 * DAY, user="victim0"))
    heart.take(*_attack(40, users=40))
    heart.take(_won(START + 15 * MINUTE))
    ((detectors, held),) = heart.rows("SELECT detectors, held FROM login_events WHERE event_id = 'won'")
    assert "account_takeover" in detectors
    assert held is True
    (takeover,) = heart.anomalies("account_takeover")
    assert takeover.count == 1


def test_a_success_in_flight_during_the_review_is_found(heart: Heart) -> None:
    """A batch made before a finding and stored after it queues nothing; the next look finds its login."""
    heart.take(*daily(10, START - 11 * DAY, user="victim0"))
    heart.send(*_attack(40, users=40))
    heart.work()
    heart.send(_won(START + 15 * MINUTE))
    (batch,) = [b for part in heart.owned if (b := heart.make(part)) is not None]
    heart.reviewer = type(heart.reviewer)(heart.store, heart.engine, heart.clock, 10 * MINUTE)
    heart.review()
    heart.commit(batch)
    assert heart.count("doubts") == 0
    heart.session.run("UPDATE review_queue SET due_at = '-infinity'", {})
    for partition in heart.owned.values():
        heart.store.commit_review(heart.reviewer.make(partition, heart.store.queue(partition.claim, 10)))
    assert heart.rows("SELECT event_id FROM doubts GROUP BY 1") == [("won",)]


def test_a_change_between_read_and_delete_stays_queued(heart: Heart) -> None:
    """A batch that touches a source after its review was read leaves the source queued, and the next one sees it."""
    owner_part = subject_hash(("acme", "ip", AWAY_IP)) % 4
    user = next(f"victim{i}" for i in range(99) if _part(f"victim{i}") != owner_part)
    first, second = (
        [msgspec.structs.replace(e, user=User(name=user)) for e in events]
        for events in (_attack(12), _attack(5, START + 6 * MINUTE))
    )
    heart.send(*first)
    heart.work()
    owner = heart.owned[owner_part]
    review = heart.reviewer.make(owner, heart.store.queue(owner.claim, 100))
    heart.send(*second)
    heart.work()
    heart.store.commit_review(review)
    left = heart.rows("SELECT count(*)::int FROM review_queue WHERE kind = 'ip'")
    assert left == [(1,)]
    heart.review()
    assert [a.count for a in heart.anomalies("brute_force") if a.subject_kind == "ip"] == [17]


def _stricter(heart: Heart, failures: int) -> None:
    """Another policy, with all live sources queued for review."""
    body = msgspec.json.encode({"revision": 1, "brute_force": {"failures": failures}}).decode()
    heart.session.run(
        "INSERT INTO policies (tenant_id, revision, body, created_by) VALUES ('acme', 1, %(body)s, 'test')",
        {"body": body},
    )
    heart.session.run(
        "INSERT INTO review_queue SELECT tenant_id, kind, value, -2, 0, 0, 1, min(bucket), max(bucket)"
        " FROM source_activity GROUP BY 1, 2, 3",
        {},
    )


def test_a_new_policy_is_applied_to_live_sources(heart: Heart) -> None:
    """With a stricter policy and its sources queued, what was too little before is found."""
    heart.take(*_attack(8))
    assert heart.anomalies("brute_force") == []
    _stricter(heart, 8)
    heart.settle()
    assert [a.count for a in heart.anomalies("brute_force")] == [8]


def test_what_is_left_of_a_slot_opens_nothing_new(heart: Heart) -> None:
    """Some shares of an attack were deleted: under a stricter policy the rest is no basis for a new finding."""
    heart.take(*_attack(14, step=MINUTE + 20 * SECOND))
    assert heart.anomalies() == []
    heart.session.run(
        "UPDATE source_activity SET written_at = '2000-01-01' WHERE bucket = (SELECT min(bucket) FROM source_activity)",
        {},
    )
    _forget_buckets(heart, before=START - 30 * DAY)
    _stricter(heart, 5)
    heart.settle()
    assert heart.anomalies() == []
