"""What the page of a source is made of, as pydantic models (see `models`)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from gatewatch.api.models import Anomaly, Event, Model, Moment, SourceSeries


class Window(Model):
    """Ten minutes of a source's failures; `users` is an estimate above 256."""

    start: Moment
    failures: int
    users: int


class Tried(Model):
    """A user as seen from a source."""

    user: Annotated[str, Field(examples=["alice"])]
    failures: int
    successes: int
    last: Moment


class Entity(Model):
    """What a source did. `windows` are its recent failures; activity, users tried and successes are those of the
    range. `tried_since`: where it is said, users tried are those since then: of the latest 10,000
    events, of a network or a country also of its latest 168 hours.
    """

    kind: Annotated[str, Field(examples=["prefix"])]
    value: Annotated[str, Field(examples=["203.0.113.0/24"])]
    first: datetime | None
    last: datetime | None
    failures: int
    failures_10m: int
    failures_1h: int
    failures_1d: int
    windows: list[Window]
    activity: SourceSeries
    tried: list[Tried]
    tried_since: datetime | None
    anomalies: list[Anomaly]
    successes: list[Event]
