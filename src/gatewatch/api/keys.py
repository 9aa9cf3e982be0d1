"""API keys over HTTP, for admins: the same as `gatewatch keys`, on the caller's own tenant."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from gatewatch.access_ports import KeyView
from gatewatch.api.dependencies import Caller, Parts
from gatewatch.api.openapi import problem
from gatewatch.api.problems import Problem
from gatewatch.services.access import Refused

router = APIRouter(prefix="/v1/keys", tags=["keys"])

_MISSING: dict[int | str, Any] = {404: problem("no such key")}


class NewKey(BaseModel):
    """What a key is for, what it may, and after how many days it ends by itself."""

    name: Annotated[
        str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["portal"])
    ]
    scopes: Annotated[list[Literal["ingest", "decide", "read"]], Field(min_length=1, max_length=3)]
    days: Annotated[int, Field(strict=True, ge=1, le=3650)] | None = None


class Key(BaseModel):
    """A key without its secret."""

    prefix: str
    name: str
    scopes: list[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class Keys(BaseModel):
    """All keys of a tenant, the oldest first."""

    keys: list[Key]


class IssuedKey(BaseModel):
    """A key, for the only time."""

    prefix: str
    key: str


@router.get("")
def list_keys(caller: Caller, parts: Parts) -> Keys:
    """List the tenant's keys, revoked ones included."""
    return Keys(keys=[_view(key) for key in parts.issued(caller.tenant).list()])


@router.post("", status_code=201)
def create_key(body: NewKey, caller: Caller, parts: Parts) -> IssuedKey:
    """Create a key. It is in the answer, and nowhere else."""
    life = timedelta(days=body.days) if body.days is not None else None
    scopes = sorted({*body.scopes})
    key = parts.issued(caller.tenant).create(body.name, scopes, caller.subject, life)
    return IssuedKey(prefix=key.split("_")[1], key=key)


@router.delete("/{prefix}", status_code=204, responses=_MISSING)
def revoke_key(prefix: str, caller: Caller, parts: Parts) -> None:
    """Take a key out of force; every process notices within five seconds."""
    try:
        parts.issued(caller.tenant).revoke(prefix if prefix.isalnum() else "")
    except Refused:
        raise Problem("not_found") from None


def _view(key: KeyView) -> Key:
    return Key.model_validate(key, from_attributes=True)
