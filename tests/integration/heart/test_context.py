"""What an event is seen in: its own batch, this process's other partitions, the views of all others, the tenant."""

from gatewatch.core import context, profiles
from gatewatch.core.context import Context
from gatewatch.core.events import LoginEvent
from gatewatch.core.partitioning import partition_of
from gatewatch.core.times import MINUTE, SECOND
from gatewatch.services.partition import Partition
from tests.builders import AWAY_IP, START, daily, failure, login
from tests.integration.heart.rig import Heart


def _on(part: int) -> str:
    return next(f"user{i}" for i in range(99) if partition_of(f"acme:user{i}", 4) == part)


def _failures(user: str, count: int, start: int = START) -> list[LoginEvent]:
    return [
        failure(start + i * SECOND, user=user, event_id=f"{user}-{start}-{i}", ip=AWAY_IP)
        for i in range(count)
    ]


def _won(user: str, time: int = START + MINUTE) -> LoginEvent:
    return login(time, user=user, ip=AWAY_IP, event_id=f"{user}-won")


def _context(heart: Heart, event_id: str) -> Context:
    ((found,),) = heart.rows("SELECT context FROM login_events WHERE event_id = %(id)s", id=event_id)
    return context.decode(found)


def test_an_attack_inside_one_batch(heart: Heart) -> None:
    """A success sees the failures of the same address just before it, in the same batch, and those only."""
    user = _on(0)
    heart.send(*_failures(user, 6), _won(user), *_failures(user, 5, START + 2 * MINUTE))
    heart.work()
    assert _context(heart, f"{user}-won").ip.failures_10m == 6


def test_another_partition_of_the_same_process(heart: Heart) -> None:
    """Failures on a partition that this process owns count at once, before any review."""
    heart.send(*_failures(_on(0), 6))
    heart.work()
    heart.send(_won(_on(1)))
    heart.work()
    assert _context(heart, f"{_on(1)}-won").ip.failures_10m == 6


def test_a_partition_of_another_process(heart: Heart, database: str) -> None:
    """Failures that somebody else's partition stored count once a review has written the view."""
    heart.send(
        *_failures(_on(0), 6), _won(_on(1)), login(START + MINUTE, user=_on(2), ip=AWAY_IP, event_id="later")
    )
    other = Heart(database)
    heart.claim()
    claim = other.leases.claim(1, force=True)
    assert claim is not None
    batch = heart.make(0)
    assert batch is not None
    heart.commit(batch)
    other.owned[1] = Partition(claim, other.store)
    unseen = other.make(1)
    assert unseen is not None
    other.commit(unseen)
    heart.claim()
    heart.review()
    claim = other.leases.claim(2, force=True)
    assert claim is not None
    other.owned = {2: Partition(claim, other.store)}
    seen = other.make(2)
    assert seen is not None
    other.commit(seen)
    other.close()
    assert _context(heart, f"{_on(1)}-won").ip.failures_10m == 0
    assert _context(heart, "later").ip.failures_10m == 6


def test_a_new_owner_starts_with_what_is_stored(heart: Heart) -> None:
    """After a claim with empty caches an event sees the same numbers as before."""
    user = _on(0)
    heart.send(*_failures(user, 6))
    heart.work()
    heart.claim()
    heart.send(_won(user))
    heart.work()
    assert _context(heart, f"{user}-won").ip.failures_10m == 6


def test_frequencies_of_other_partitions_are_merged(heart: Heart) -> None:
    """A partition counts its own logins live, and the others' as of the last merge."""
    heart.send(*daily(5, user=_on(0)))
    heart.send(login(START, user=_on(1), event_id="first"))
    heart.work()
    heart.send(*daily(3, user=_on(0), start=START + MINUTE))
    heart.work()
    heart.send(login(START + 1, user=_on(1), event_id="before"))
    heart.work()
    for partition in heart.owned.values():
        partition.merge_frequencies(heart.store)
    heart.send(login(START + 2, user=_on(1), event_id="after"))
    heart.work()
    assert _context(heart, "before").frequencies.total == 6
    assert _context(heart, "after").frequencies.total == 10


def test_who_never_got_in_is_forgotten(heart: Heart) -> None:
    """The windows of a user without a success end with its row, in the store and in memory alike."""
    user = _on(0)
    heart.send(*_failures(user, 3))
    heart.work()
    assert heart.rows("SELECT expires_at > now() + interval '9 days' FROM profiles") == [(True,)]
    heart.session.run("UPDATE profiles SET expires_at = now() - interval '1 day'", {})
    heart.send(login(START, user=_other_on_0()))
    batch = heart.make(0)
    assert batch is not None
    batch.delete_before = 0
    heart.commit(batch)
    assert heart.store.users([("acme", user)]) == {}
    heart.send(failure(START + MINUTE, user=user, event_id="again", ip=AWAY_IP))
    heart.work()
    profile = profiles.decode(heart.store.users([("acme", user)])["acme", user].profile)
    assert sum(day.tries for day in profile.days.values()) == 1


def _other_on_0() -> str:
    return next(f"someone{i}" for i in range(99) if partition_of(f"acme:someone{i}", 4) == 0)


def test_who_got_in_once_is_kept(heart: Heart) -> None:
    """A user with a history has no end."""
    heart.take(*_failures(_on(0), 3), _won(_on(0)))
    assert heart.rows("SELECT has_history, expires_at FROM profiles") == [(True, None)]
