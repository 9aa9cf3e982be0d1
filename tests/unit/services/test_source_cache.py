"""What one partition keeps of its sources in memory."""

import msgspec

from gatewatch.core import sources
from gatewatch.core.events import LoginEvent
from gatewatch.core.times import MINUTE
from gatewatch.ports import SourceKey
from gatewatch.services.source_cache import MAX_SPAN, SourceCache
from tests.builders import HOME_IP, START, failure

KEY: SourceKey = ("acme", "ip", HOME_IP)
SALT = b"0123456789abcdef"


def _failures(buckets: int) -> list[LoginEvent]:
    return [failure(START + i * 10 * MINUTE, event_id=f"e{i}") for i in range(buckets)]


def _counted(events: list[LoginEvent]) -> SourceCache:
    cache = SourceCache(set())
    for event in events:
        cache.count([cache.entry(KEY)], event, SALT)
    return cache


def test_a_source_that_was_never_read_can_be_trimmed() -> None:
    """What a batch counted and nobody read is trimmed like the rest; the share then starts at the oldest kept."""
    events = _failures(MAX_SPAN + 50)
    cache = _counted(events)
    cache.take_dirty()
    cache.shrink(10)
    share = cache.entry(KEY).share()
    newest = events[-1].time // sources.BUCKET
    assert sorted(share.slices) == list(range(newest - MAX_SPAN, newest + 1))


def test_what_was_trimmed_is_loaded_again() -> None:
    """Memory does not answer for buckets that were trimmed."""
    events = _failures(MAX_SPAN + 50)
    cache = _counted(events)
    first, last = events[0].time // sources.BUCKET, events[-1].time // sources.BUCKET
    assert cache.missing({KEY: (first, last)}) == {}
    cache.take_dirty()
    cache.shrink(10)
    assert KEY in cache.missing({KEY: (first, last)})
    assert cache.missing({KEY: (last - 1, last)}) == {}


def test_a_deleted_bucket_is_forgotten() -> None:
    """What the store deleted is no longer in the share, what it kept is."""
    events = _failures(3)
    cache = _counted(events)
    rows, touched = cache.take_dirty()
    gone = next(iter(rows))
    cache.forget([gone])
    share = cache.entry(KEY).share()
    assert len(share.slices) == 2
    assert gone[3] not in share.slices
    assert (touched[KEY].lo, touched[KEY].hi) == (gone[3], gone[3] + 2)


def test_what_was_counted_is_written_once() -> None:
    """The dirty rows hold the bytes of each bucket that changed since the last batch."""
    cache = _counted(_failures(2))
    rows, _ = cache.take_dirty()
    assert len(rows) == 2
    assert cache.take_dirty() == ({}, {})
    again = msgspec.structs.replace(_failures(1)[0], event_id="again")
    cache.count([cache.entry(KEY)], again, SALT)
    ((key, data),) = cache.take_dirty()[0].items()
    assert key[:3] == KEY
    assert sources.decode(data).failures == 2


def test_what_is_used_stays() -> None:
    """Given more sources than fit, the one that every batch looks at is kept, however early it was loaded."""
    cache = SourceCache(set())
    keys: list[SourceKey] = [("acme", "ip", f"192.0.2.{n}") for n in range(5)]
    for key in (KEY, *keys):
        cache.entry(key)
    assert cache.used(KEY) is not None
    cache.shrink(2)
    assert list(cache.entries) == [keys[-1], KEY]
    assert cache.used(keys[0]) is None
