"""What there is to see: events, anomalies, users, entities, dead letters, the overview. Needs the permission read."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from gatewatch.api import models
from gatewatch.api.asking import Asking, AskingOfAnything, Cursor, Limit, Since, Until, found
from gatewatch.api.dependencies import Asked, Caller, Parts
from gatewatch.api.openapi import problem
from gatewatch.api.source_models import Entity
from gatewatch.core import advice
from gatewatch.core.times import to_datetime
from gatewatch.read_ports import (
    AnomalyFilter,
    DeadLetterFilter,
    EventFilter,
    Ranking,
    Status,
    TopKind,
    UserFilter,
)
from gatewatch.services.lists import Lists
from gatewatch.services.overview import MOST as MOST_VALUES
from gatewatch.services.overview import Overview
from gatewatch.services.pages import BadQuery, spanned

_MISSING: dict[int | str, Any] = {404: problem("there is no such thing")}

router = APIRouter(prefix="/v1", tags=["queries"], route_class=Asking)
anything = APIRouter(prefix="/v1", tags=["queries"], route_class=AskingOfAnything, responses=_MISSING)

Text = Annotated[str, Query(max_length=512)]
Code = Annotated[str, Query(max_length=64, pattern=r"^[a-z0-9_.:-]*$")]
Number = Annotated[int | None, Query(ge=0, le=2**32 - 1)]
Severity = Literal["low", "medium", "high", "critical"]


async def lists(who: Caller, parts: Parts) -> Lists:
    """The lists of the caller's tenant."""
    return Lists(parts.queries(who.tenant), parts.clock)


async def overview(who: Caller, parts: Parts) -> Overview:
    """The overview of the caller's tenant."""
    return Overview(parts.queries(who.tenant), parts.clock)


Listed = Annotated[Lists, Depends(lists)]
Seen = Annotated[Overview, Depends(overview)]


@router.get("/events")
def list_events(
    listed: Listed,
    since: Since = None,
    until: Until = None,
    user: Text = "",
    ip: Annotated[str, Query(max_length=64, examples=["203.0.113.7"])] = "",
    prefix: Annotated[str, Query(max_length=64, examples=["203.0.113.0/24"])] = "",
    asn: Number = None,
    country: Annotated[str, Query(pattern="^([A-Za-z]{2})?$", examples=["NO"])] = "",
    outcome: Literal["success", "failure", "challenge", "unknown"] | None = None,
    detector: Code = "",
    min_score: Annotated[int | None, Query(ge=0, le=100)] = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> models.Page[models.Event]:
    """Logins, the latest first."""
    wanted = EventFilter(
        since=since,
        until=until,
        user=listed.user_meant(user) if user else None,
        network=_network(ip, prefix),
        asn=asn,
        country=country.upper() or None,
        outcome=outcome,
        detector=detector or None,
        min_score=min_score,
    )
    return models.Page[models.Event].model_validate(listed.events(wanted, limit, cursor))


def _network(ip: str, prefix: str) -> str | None:
    """The one network that is asked for. Raises `BadQuery`."""
    if ip and prefix:
        raise BadQuery("ip or prefix, not both")
    try:
        return str(ip_address(ip)) if ip else str(ip_network(prefix, strict=False)) if prefix else None
    except ValueError:
        raise BadQuery(f"that is no {'address' if ip else 'prefix'}") from None


@anything.get("/events/{event_id}")
def get_event(asked: Asked, event_id: Annotated[str, Path(max_length=512)]) -> models.EventDetail:
    """A login with its assessment and the context it was made in; an anomaly's id stands for its strongest login."""
    explained = found(asked.explain(event_id))
    fields = {name: getattr(explained, name) for name in models.EventDetail.model_fields}
    return models.EventDetail.model_validate(fields | {"context": _named(explained.context)})


def _named(numbers: msgspec.Struct) -> dict[str, Any]:
    """Numbers that are stored as arrays, by their names."""
    return {
        name: _named(value) if isinstance(value, msgspec.Struct) else value
        for name, value in msgspec.structs.asdict(numbers).items()
    }


@router.get("/anomalies")
def list_anomalies(
    listed: Listed,
    since: Since = None,
    until: Until = None,
    detector: Code = "",
    severity: Annotated[list[Severity] | None, Query(max_length=4)] = None,
    status: Annotated[list[Status] | None, Query(max_length=4)] = None,
    state: Literal["open", "withdrawn", "any"] = "open",
    subject_kind: Code = "",
    subject: Text = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> models.Page[models.Anomaly]:
    """Anomalies, the one with the latest hit first. `severity` and `status` may be given several times."""
    wanted = AnomalyFilter(
        since=since,
        until=until,
        detector=detector or None,
        severities=[*severity] if severity else None,
        statuses=[*status] if status else None,
        state=None if state == "any" else state,
        subject_kind=subject_kind or None,
        subject=listed.subject_meant(subject, subject_kind) or None,
    )
    return models.Page[models.Anomaly].model_validate(listed.anomalies(wanted, limit, cursor))


@router.get("/anomalies/{id}", responses=_MISSING)
def get_anomaly(asked: Asked, id: Annotated[str, Path(pattern="^[0-9a-f]{32}$")]) -> models.AnomalyDetail:
    """An anomaly, with what to do about it."""
    one = found(asked.anomaly(id))
    steps = advice.steps(one.detector, one.subject_kind)
    return models.AnomalyDetail.model_validate({**msgspec.structs.asdict(one), "steps": steps})


@router.get("/users")
def list_users(
    listed: Listed,
    since: Since = None,
    until: Until = None,
    sort: Literal["risk", "last_seen"] = "risk",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> models.Page[models.UserItem]:
    """Users who were seen in the range, the riskiest or the latest first."""
    page = listed.users(UserFilter(since=since, until=until, sort=sort), limit, cursor)
    return models.Page[models.UserItem].model_validate(page)


@anything.get("/users/{user}")
def get_user(asked: Asked, user: Annotated[str, Path(max_length=512)]) -> models.User:
    """A user by name or id: timeline, baseline, profile, anomalies."""
    return models.User.model_validate(found(asked.user(user)))


@anything.get("/entities/{kind}/{value}")
def get_entity(
    asked: Asked,
    seen: Seen,
    parts: Parts,
    kind: Literal["ip", "prefix", "asn", "country"],
    value: Annotated[str, Path(max_length=64, examples=["203.0.113.0/24"])],
    since: Since = None,
    until: Until = None,
) -> Entity:
    """A source and its activity: whom it tried, who got in, what was found."""
    begin, end = spanned(since, until, to_datetime(parts.clock.now()))
    try:
        canonical = _canonical(kind, value)
        what = asked.entity(kind, canonical, begin, end)
    except ValueError:
        raise BadQuery(f"that is no {kind}") from None
    activity = models.SourceSeries.model_validate(seen.series_of(kind, canonical, begin, end))
    return Entity.model_validate({**msgspec.structs.asdict(what), "activity": activity})


def _canonical(kind: str, value: str) -> str:
    """A source's value as it is stored. Raises `ValueError`."""
    if kind == "ip":
        return str(ip_address(value))
    if kind == "prefix":
        return str(ip_network(value, strict=False))
    return str(int(value)) if kind == "asn" else value.upper()


@router.get("/dead-letters")
def list_dead_letters(
    listed: Listed,
    since: Since = None,
    until: Until = None,
    reason: Code = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> models.Page[models.DeadLetter]:
    """What could not be read or stored, the latest first."""
    wanted = DeadLetterFilter(since=since, until=until, reason=reason or None)
    return models.Page[models.DeadLetter].model_validate(listed.dead_letters(wanted, limit, cursor))


@router.get("/overview/series")
def get_series(
    seen: Seen,
    since: Since = None,
    until: Until = None,
    step: Annotated[int | None, Query(description="Seconds.", ge=600, le=604_800, examples=[600])] = None,
) -> models.Series:
    """Events, failures and anomalies over time; without a step, one that can be drawn."""
    length = timedelta(seconds=step) if step is not None else None
    return models.Series.model_validate(seen.series(since, until, length))


@router.get("/overview/top/{kind}")
def get_top(
    seen: Seen,
    kind: TopKind,
    since: Since = None,
    until: Until = None,
    by: Ranking = "signalled",
    limit: Annotated[int, Query(ge=1, le=MOST_VALUES), Field(description="The most values.")] = 10,
) -> models.Top:
    """The users, addresses, networks, countries or detectors that came most often."""
    return models.Top.model_validate(seen.top(kind, since, until, by, limit))


@router.get("/overview/backlog")
def get_backlog(seen: Seen, since: Since = None, until: Until = None) -> models.Waiting:
    """Open anomalies by severity and status: what waits for somebody."""
    return models.Waiting.model_validate(seen.backlog(since, until))
