"""What people say of anomalies. Needs the permission triage; the history needs read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from gatewatch.api.asking import Asking, found
from gatewatch.api.dependencies import Asked, Caller, Parts
from gatewatch.api.models import Id, StatusView
from gatewatch.api.openapi import problem
from gatewatch.read_ports import Status, StatusChange
from gatewatch.services.triage import MOST, Triage

router = APIRouter(prefix="/v1/anomalies", tags=["triage"], route_class=Asking)

_MISSING: dict[int | str, Any] = {404: problem("there is no such anomaly")}
_CONFLICT: dict[int | str, Any] = {409: problem("the anomaly is at another revision, told in `current`")}
_HEX = "^[0-9a-f]{32}$"

AnomalyId = Annotated[str, Path(pattern=_HEX)]
Revision = Annotated[
    int,
    Field(
        strict=True, ge=0, le=2**31 - 1, description="The revision it is at; 0 for a new one.", examples=[0]
    ),
]


async def triage(who: Caller, parts: Parts) -> Triage:
    """Work on the anomalies of the caller's tenant, as the caller."""
    return Triage(parts.statuses(who.tenant), who.subject)


Working = Annotated[Triage, Depends(triage)]


class Change(BaseModel):
    """A status, and the revision that the anomaly is expected to be at."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "resolved", "revision": 0}]})
    status: Status
    revision: Revision


class ChangeOf(BaseModel):
    """A status for one of many anomalies."""

    id: Annotated[Id, Field(pattern=_HEX)]
    status: Status
    revision: Revision


class Changes(BaseModel):
    """Up to 500 changes."""

    changes: Annotated[list[ChangeOf], Field(min_length=1, max_length=MOST)]


class Answer(BaseModel):
    """What became of one change; `said` is what holds now (null for an anomaly that is not there)."""

    id: Id
    outcome: Literal["changed", "conflict", "unknown"]
    said: StatusView | None


class Answers(BaseModel):
    """What became of each change, in the order they were given."""

    results: list[Answer]


@router.post("/statuses")
def change_statuses(working: Working, wanted: Changes) -> Answers:
    """Change many statuses, each for itself: what became of each is told, and the answer is 200 all the same."""
    changes = [StatusChange(one.id, one.status, one.revision) for one in wanted.changes]
    results = [
        Answer(
            id=answer.id,
            outcome=answer.outcome,
            said=StatusView.model_validate(answer.said) if answer.outcome != "unknown" else None,
        )
        for answer in working.change_all(changes)
    ]
    return Answers(results=results)


@router.get("/{id}/history", responses=_MISSING)
def status_history(asked: Asked, working: Working, id: AnomalyId) -> list[StatusView]:
    """What was said of an anomaly, the latest first; nothing for one that is new."""
    said = working.history(id)
    if not said:
        found(asked.anomaly(id))
    return [StatusView.model_validate(one) for one in said]


@router.patch("/{id}", responses=_MISSING | _CONFLICT)
def change_status(working: Working, id: AnomalyId, wanted: Change) -> StatusView:
    """Change an anomaly's status, if it is at the revision expected. Undo is another change."""
    return StatusView.model_validate(working.change(id, wanted.status, wanted.revision))
