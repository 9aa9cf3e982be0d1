"""The overview: how a tenant fared over time, and whom it concerned most, from the counts that batches keep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from gatewatch.core.times import to_datetime
from gatewatch.ports import Clock
from gatewatch.read_ports import Activity, Backlog, QueryStore, Ranking, Top, TopKind
from gatewatch.services.pages import BadQuery, spanned
from gatewatch.services.queries import of_source

#: The lengths a stretch of a series may have.
STEPS = [timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6), timedelta(days=1), timedelta(days=7)]
#: Without a length the shortest is taken that gives at most so many stretches; with one there may be this many.
FEW, MANY = 200, 2_000
HOUR = timedelta(hours=1)
#: The most values of a top list.
MOST = 100
#: What waits is counted up to so many.
COUNTED = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Series(msgspec.Struct, frozen=True):
    """A tenant's activity: every stretch from `since` to `until`, which lie on the edges of stretches."""

    since: datetime
    until: datetime
    step: timedelta
    stretches: list[Activity]


class TopList(msgspec.Struct, frozen=True):
    """The values that came most often in whole hours."""

    kind: TopKind
    by: Ranking
    since: datetime
    until: datetime
    values: list[Top]


class Waiting(msgspec.Struct, frozen=True):
    """What waits for somebody: open anomalies with their last hit in the range. `complete` is False where there were
    more than are counted.
    """

    since: datetime
    until: datetime
    anomalies: list[Backlog]
    complete: bool


class Overview:
    """One tenant's overview. All raise `pages.BadQuery` for a range that cannot be answered."""

    def __init__(self, store: QueryStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def series(
        self, since: datetime | None = None, until: datetime | None = None, step: timedelta | None = None
    ) -> Series:
        """Activity by stretches of time; the range is widened to whole stretches, a day unless it is said."""
        begin, end = self._span(since, until)
        step = step if step is not None else _fitting(end - begin)
        if step not in STEPS:
            raise BadQuery(f"a step is one of {', '.join(f'{s.total_seconds():.0f}' for s in STEPS)} seconds")
        if (end - begin) / step > MANY:
            raise BadQuery(f"this range has more than {MANY:,} stretches of that step: take a longer step")
        begin, end = _floor(begin, step), _ceiling(end, step)
        return _whole(begin, end, step, self._store.activity(begin, end, step))

    def series_of(
        self, kind: str, value: str, since: datetime | None = None, until: datetime | None = None
    ) -> Series:
        """The activity of a source, as `series` has that of all; of a network or a country by hours at least. Raises
        `ValueError` for one that cannot be.
        """
        begin, end = self._span(since, until)
        step = _fitting(end - begin)
        if kind in ("asn", "country"):
            step = max(step, HOUR)
        begin, end = _floor(begin, step), _ceiling(end, step)
        source = msgspec.structs.replace(of_source(kind, value), since=begin, until=end)
        return _whole(begin, end, step, self._store.activity_of(source, step))

    def top(
        self,
        kind: TopKind,
        since: datetime | None = None,
        until: datetime | None = None,
        by: Ranking = "signalled",
        limit: int = 10,
    ) -> TopList:
        """The values that came most often; the range is widened to whole hours, a day unless it is said."""
        begin, end = self._span(since, until)
        begin, end = _floor(begin, HOUR), _ceiling(end, HOUR)
        values = self._store.top(kind, begin, end, by, max(1, min(limit, MOST)))
        return TopList(kind, by, begin, end, values)

    def backlog(self, since: datetime | None = None, until: datetime | None = None) -> Waiting:
        """What waits for somebody; of a day unless it is said."""
        begin, end = self._span(since, until)
        found = self._store.backlog(begin, end, COUNTED)
        return Waiting(begin, end, found, complete=sum(part.count for part in found) < COUNTED)

    def _span(self, since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
        now = to_datetime(self._clock.now())
        end = until or (now if since is None else max(now, since + HOUR))
        return spanned(since, end, now)[0], end


def _whole(begin: datetime, end: datetime, step: timedelta, found: list[Activity]) -> Series:
    """A series with the stretches in which nothing happened."""
    known = {stretch.start: stretch for stretch in found}
    starts = [begin + n * step for n in range((end - begin) // step)]
    return Series(begin, end, step, [known.get(start, Activity(start)) for start in starts])


def _fitting(length: timedelta) -> timedelta:
    return next((step for step in STEPS if length / step <= FEW), STEPS[-1])


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % step


def _ceiling(moment: datetime, step: timedelta) -> datetime:
    return moment + (_EPOCH - moment) % step
