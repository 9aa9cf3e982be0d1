"""`native`: our own JSON. An object or an array per line, a document of them, CloudEvents envelopes around each.

Required are a time, an outcome and a user or an address. Unknown fields go to `extra`. A failure without any reason
counts as bad_credentials (what users expect of a minimal event).
"""

import binascii
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import msgspec

from gatewatch.core.events import (
    MAX_EXTRA,
    Activity,
    App,
    Asn,
    Auth,
    Flag,
    Geo,
    LoginEvent,
    Outcome,
    User,
    UserAgent,
)
from gatewatch.core.records import EventRecord, RejectRecord
from gatewatch.ingest.contract import (
    MAX_LINE,
    Arrival,
    Framing,
    Ignored,
    Line,
    Refused,
    Result,
    generated_id,
    record,
    rejected,
    too_long,
)
from gatewatch.ingest.moments import moment
from gatewatch.ingest.native_shape import (
    Native,
    NativeAgent,
    NativeApp,
    NativeAsn,
    NativeAuth,
    NativeContext,
    NativeGeo,
    NativePeer,
    NativeUser,
    split,
)
from gatewatch.ingest.normalise import (
    Address,
    address,
    clean,
    event_identifier,
    identifier,
    network,
    note,
    place,
    port_number,
    short,
    storable,
    texts,
    user_agent,
)
from gatewatch.ingest.reasons import reason_class
from gatewatch.ingest.safejson import BOM, decode, decode_items, decode_value

ACTIVITIES: dict[str, Activity] = {
    "login": "logon",
    "logon": "logon",
    "logout": "logoff",
    "logoff": "logoff",
    "mfa": "mfa",
    "lockout": "lockout",
    "factor_change": "factor_change",
    "session": "session",
    "token": "token",
}
OUTCOMES: dict[str, Outcome] = {
    "success": "success",
    "failure": "failure",
    "challenge": "challenge",
    "unknown": "unknown",
    "attempted": "unknown",
    "succeeded": "success",
    "failed": "failure",
}

Shape = TypeVar("Shape", bound=Native)

_typed = msgspec.json.Decoder(Native)
_sizing = msgspec.msgpack.Encoder()
_NO_CONTEXT = NativeContext()
_NO_PEER = NativePeer()
_NOBODY = User()


class NativeAdapter:
    """Reads `native` files; see the module."""

    framing: ClassVar[Framing] = "json"
    envelope: ClassVar[tuple[str, ...]] = ()

    def __init__(self, identity: str) -> None:
        self._identity = identity

    def read(self, line: Line, arrival: Arrival) -> Sequence[Result]:
        """The event of an object, or those of an array's items; each item is accounted for by itself."""
        data = line.data.removeprefix(BOM).strip()
        if line.truncated_size:
            return [too_long(line, generated_id(self._identity, line.offset, 0, line.data), arrival)]
        if not data:
            return [Ignored("blank", line.number)]
        if data[0] != ord("["):
            return [self._read_item(line, 0, data, arrival)]
        try:
            items = decode_items(data)
        except Refused as refusal:
            return [rejected(refusal, generated_id(self._identity, line.offset, 0, data), data, arrival)]
        read = [self._read_item(line, index, item, arrival) for index, item in enumerate(items)]
        return read or [Ignored("empty_array", line.number)]

    def _read_item(self, line: Line, index: int, data: bytes, arrival: Arrival) -> Result:
        return _read(data, arrival, lambda: generated_id(self._identity, line.offset, index, data))


def read_native(value: bytes, arrival: Arrival, fallback_id: str) -> EventRecord | RejectRecord:
    """One JSON object, wherever it comes from: a line, a request's item, a foreign producer's log record.

    `fallback_id` is the event's id where it brings none, and the reject's. Never raises for bad input.
    """
    return _read(value, arrival, lambda: fallback_id)


def _read(value: bytes, arrival: Arrival, fallback_id: Callable[[], str]) -> EventRecord | RejectRecord:
    # The id is made when it is needed: most events bring theirs, and the hash in it costs a tenth of the whole.
    try:
        if len(value) > MAX_LINE:
            raise Refused("line_too_long", f"The record has {len(value):,} bytes; {MAX_LINE:,} are allowed.")
        document, extra = decoded(value, _typed)
        id = event_identifier(document.event_id) or fallback_id()
        return record(event_of(document, extra, arrival, id), value, arrival)
    except Refused as refusal:
        return rejected(refusal, fallback_id(), value, arrival)


def decoded(value: bytes, typed: msgspec.json.Decoder[Shape]) -> tuple[Shape, dict[str, Any]]:
    """The fields that the shape knows, and the rest. Raises `Refused`."""
    try:
        return decode(value, typed), {}
    except msgspec.ValidationError:
        pass  # an unknown field, an envelope, or a wrong type: look closer
    document = decode_value(value)
    if not isinstance(document, dict):
        raise Refused("not_an_object", "The JSON is no object.")
    if "specversion" in document:
        document = _opened(document)
    shape: type[Shape] = typed.type
    known, extra = split(document, frozenset(shape.__struct_fields__))
    try:
        return msgspec.convert(known, shape), extra
    except msgspec.ValidationError as error:
        raise Refused("bad_field", f"{error}.") from None


def _opened(envelope: dict[str, Any]) -> dict[str, Any]:
    """The event in a CloudEvents envelope, with what the envelope alone knows."""
    data = envelope.get("data")
    if isinstance(encoded := envelope.get("data_base64"), str):
        try:
            data = decode_value(b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            raise Refused("bad_json", "The envelope's data_base64 is no Base64.") from None
    if not isinstance(data, dict):
        raise Refused("not_an_object", "The CloudEvents envelope holds no event object in data.")
    attributes = {key: value for key, value in envelope.items() if key not in ("data", "data_base64")}
    event = {**data, "cloudevents": attributes}
    if data.get("event_id") is None and "id" in envelope:
        # A CloudEvents id is unique within its source only.
        event["event_id"] = f"{envelope.get('source', '')}#{envelope['id']}"
    if data.get("occurred_at") is None and data.get("time") is None:
        event["time"] = envelope.get("time")
    return event


def event_of(native: Native, extra: dict[str, Any], arrival: Arrival, id: str) -> LoginEvent:
    """The event that these fields tell of. Raises `Refused`."""
    flags: list[Flag] = []
    time, zone_assumed = _time(native, arrival)
    if zone_assumed:
        flags.append("zone_assumed")
    outcome = _outcome(native.outcome)
    context = native.context or _NO_CONTEXT
    src = _source(native, context, flags)
    device, session = context.device_id or native.device_id, context.session_id or native.session_id
    return LoginEvent(
        event_id=id,
        tenant_id=arrival.tenant_id,
        time=time,
        source=arrival.source,
        activity=_activity(native.activity or native.type or "login"),
        outcome=outcome,
        reason=short(native.reason, flags),
        reason_class=native.reason_class or reason_class(native.reason, outcome),
        user=_user(native.user, flags),
        ip=src.ip,
        port=src.port,
        hostname=src.hostname,
        geo=_geo(native.geo, flags),
        asn=_asn(native.asn, flags),
        ua=_ua(native, context, flags),
        device_id=identifier(device, flags),
        session_id=identifier(session, flags),
        auth=_auth(native.auth, flags),
        app=_app(native.app, flags),
        extra=_extra(native, extra, flags),
        flags=tuple(flags),
    )


def _time(native: Native, arrival: Arrival) -> tuple[int, bool]:
    value = native.time if native.occurred_at is None else native.occurred_at
    if value is None:
        raise Refused("no_time", "The event has no time: occurred_at is missing.")
    return moment(value, arrival.zone)


def _outcome(value: str | None) -> Outcome:
    if value is None:
        raise Refused("missing_field", "The event has no outcome.")
    outcome = OUTCOMES.get(value) or OUTCOMES.get(value.strip().casefold())
    if outcome is None:
        raise Refused("unknown_outcome", f"{clean(value[:64])!a} is no known outcome.")
    return outcome


def _activity(value: str) -> Activity:
    activity = ACTIVITIES.get(value) or ACTIVITIES.get(value.strip().casefold())
    if activity is None:
        raise Refused("unknown_type", f"{clean(value[:64])!a} is no known type of event.")
    return activity


def _source(native: Native, context: NativeContext, flags: list[Flag]) -> Address:
    src = native.src or _NO_PEER
    found = address(context.ip or src.ip or native.ip)
    port = next((p for p in (context.port, src.port, native.port) if p), found.port)
    hostname = context.hostname or src.hostname or native.hostname
    if port == found.port and not hostname:
        return found
    return Address(found.ip, port_number(port), short(hostname, flags))


def _user(user: NativeUser | str | None, flags: list[Flag]) -> User:
    if user is None:
        return _NOBODY
    if isinstance(user, str):
        return User(name=identifier(user, flags, "user_truncated"))
    return User(
        identifier(user.id, flags, "user_truncated"),
        identifier(user.name, flags, "user_truncated"),
        identifier(user.email, flags, "user_truncated"),
        user.mfa_enrolled,
        texts(user.groups, flags),
    )


def _geo(geo: NativeGeo | None, flags: list[Flag]) -> Geo | None:
    if geo is None:
        return None
    given = Geo(geo.country or "", geo.region or "", geo.city or "", geo.lat, geo.lon, geo.accuracy_km or 0.0)
    return place(given, flags)


def _asn(asn: NativeAsn | int | None, flags: list[Flag]) -> Asn | None:
    if asn is None:
        return None
    if isinstance(asn, int):
        return network(asn, None, None, flags)
    return network(asn.number, asn.org, asn.kind, flags)


def _ua(native: Native, context: NativeContext, flags: list[Flag]) -> UserAgent | None:
    ua = native.ua if isinstance(native.ua, NativeAgent) else None
    text = context.user_agent or native.user_agent or (ua.raw if ua else native.ua)
    raw = user_agent(text if isinstance(text, str) else None, flags)
    if ua is None:
        return UserAgent(raw) if raw else None
    parts = (ua.browser, ua.browser_version, ua.os, ua.os_version, ua.device)
    return UserAgent(raw, *(short(part, flags) for part in parts))


def _auth(auth: NativeAuth | None, flags: list[Flag]) -> Auth | None:
    if auth is None:
        return None
    return Auth(
        short(auth.method, flags), texts(auth.factors, flags), short(auth.protocol, flags), auth.is_mfa
    )


def _app(app: NativeApp | str | None, flags: list[Flag]) -> App | None:
    if not app:
        return None
    if isinstance(app, str):
        return App(identifier(app, flags))
    return App(identifier(app.id, flags), short(app.name, flags))


def _extra(native: Native, extra: dict[str, Any], flags: list[Flag]) -> dict[str, Any]:
    if native.stage:
        extra = {**extra, "stage": native.stage}
    return bounded_extra(extra, flags) if extra else {}


def bounded_extra(extra: dict[str, Any], flags: list[Flag]) -> dict[str, Any]:
    """`extra` as it may be stored; dropped and flagged where it is larger than `MAX_EXTRA`."""
    kept: dict[str, Any] = storable(extra)
    if len(_sizing.encode(kept)) <= MAX_EXTRA:
        return kept
    note(flags, "extra_dropped")
    return {}
