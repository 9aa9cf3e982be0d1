"""What people see of a source, as a value: as in `views`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from gatewatch.core.sources import BUCKET, DAY_BUCKETS, HOUR_BUCKETS, Buckets
from gatewatch.core.times import to_datetime
from gatewatch.read_ports import Tried
from gatewatch.services.views import AnomalyView, EventView


class Window(msgspec.Struct, frozen=True):
    """Ten minutes of a source's failures; `users` is an estimate above 256."""

    start: datetime
    failures: int
    users: int


class SourceView(msgspec.Struct, frozen=True):
    """What a source did: failures up to its newest one, who was tried (since when, if not in all), what was found."""

    kind: str
    value: str
    first: datetime | None
    last: datetime | None
    failures: int
    failures_10m: int
    failures_1h: int
    failures_1d: int
    windows: list[Window]
    tried: list[Tried]
    tried_since: datetime | None
    anomalies: list[AnomalyView]
    successes: list[EventView]


def source_view(
    subject: tuple[str, str],
    buckets: Buckets,
    tried: tuple[list[Tried], datetime | None],
    found: list[AnomalyView],
    successes: list[EventView],
) -> SourceView:
    """The page of a source."""
    newest = max(buckets, default=0)
    return SourceView(
        kind=subject[0],
        value=subject[1],
        first=_moment(min, (bucket.first for bucket in buckets.values())),
        last=_moment(max, (bucket.last for bucket in buckets.values())),
        failures=sum(bucket.failures for bucket in buckets.values()),
        failures_10m=_failures(buckets, newest, 1),
        failures_1h=_failures(buckets, newest, HOUR_BUCKETS),
        failures_1d=_failures(buckets, newest, DAY_BUCKETS),
        windows=[
            Window(to_datetime(index * BUCKET), bucket.failures, round(bucket.users.distinct()))
            for index, bucket in sorted(buckets.items())
        ],
        tried=tried[0],
        tried_since=tried[1],
        anomalies=found,
        successes=successes,
    )


def _moment(choose: Callable[..., int], times: Iterable[int]) -> datetime | None:
    found = list(times)
    return to_datetime(choose(found)) if found else None


def _failures(buckets: Buckets, newest: int, span: int) -> int:
    return sum(bucket.failures for index, bucket in buckets.items() if newest - span < index <= newest)
