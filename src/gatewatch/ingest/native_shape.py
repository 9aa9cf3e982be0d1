"""The JSON of a native event, as types.

The request of our HTTP API, and beside it the names of our own `LoginEvent` where they are unambiguous. The typed
decoder refuses unknown fields, so that the usual event is read in one go and only an unusual one is looked through.
"""

from typing import Any

import msgspec

from gatewatch.core.events import ReasonClass


class NativeUser(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Who."""

    id: str | int | None = None
    name: str | int | None = None
    email: str | None = None
    mfa_enrolled: bool | None = None
    groups: list[str] | None = None


class NativeContext(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """From where and with what."""

    ip: str | None = None
    port: int | None = None
    hostname: str | None = None
    user_agent: str | None = None
    device_id: str | int | None = None
    session_id: str | int | None = None


class NativePeer(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """`src` of the normalised event."""

    ip: str | None = None
    port: int | None = None
    hostname: str | None = None


class NativeAuth(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """How."""

    method: str | None = None
    factors: list[str] | None = None
    protocol: str | None = None
    is_mfa: bool | None = None


class NativeApp(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Into what."""

    id: str | int | None = None
    name: str | None = None


class NativeGeo(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Where the source says the address is."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    lat: float | None = None
    lon: float | None = None
    accuracy_km: float | None = None


class NativeAsn(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Whose network the source says it is."""

    number: int | str | None = None
    org: str | None = None
    kind: str | None = None


class NativeAgent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The client as the source parsed it."""

    raw: str | None = None
    browser: str | None = None
    browser_version: str | None = None
    os: str | None = None
    os_version: str | None = None
    device: str | None = None


class Native(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A native event. `occurred_at` (or `time`) is ISO 8601 or a number since 1970; see `moments`."""

    event_id: str | int | None = None
    type: str | None = None
    activity: str | None = None
    stage: str | None = None
    outcome: str | None = None
    reason: str | None = None
    reason_class: ReasonClass | None = None
    occurred_at: str | int | float | None = None
    time: str | int | float | None = None
    user: NativeUser | str | None = None
    context: NativeContext | None = None
    src: NativePeer | None = None
    ip: str | None = None
    port: int | None = None
    hostname: str | None = None
    user_agent: str | None = None
    geo: NativeGeo | None = None
    asn: NativeAsn | int | None = None
    ua: NativeAgent | str | None = None
    device_id: str | int | None = None
    session_id: str | int | None = None
    auth: NativeAuth | None = None
    app: NativeApp | str | None = None


_NESTED: dict[str, frozenset[str]] = {
    name: frozenset(shape.__struct_fields__)
    for name, shape in (
        *(("user", NativeUser), ("context", NativeContext), ("src", NativePeer), ("auth", NativeAuth)),
        *(("app", NativeApp), ("geo", NativeGeo), ("asn", NativeAsn), ("ua", NativeAgent)),
    )
}


def split(document: dict[str, Any], fields: frozenset[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The known `fields` and the rest; an object of its own name under `extra` belongs to the rest."""
    known: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for key, value in document.items():
        if key == "extra" and isinstance(value, dict):
            rest.update(value)
        elif key not in fields:
            rest[key] = value
        elif key in _NESTED and isinstance(value, dict):
            known[key] = {name: item for name, item in value.items() if name in _NESTED[key]}
            unknown = {name: item for name, item in value.items() if name not in _NESTED[key]}
            rest.update({key: unknown} if unknown else {})
        else:
            known[key] = value
    return known, rest
