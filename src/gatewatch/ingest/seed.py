"""`seed`: the original project's `user_login_event`, as JSON lines or as CSV with JSON in two columns.

Place and client come with the event. Its timestamp has no zone: it is read in the arrival's and flagged. The tenant
is the importer's choice, so `enterprise_id` goes to `extra` as `organisation`. Failures name no reason and count as
bad_credentials.

In CSV the first line is the header, and a record is one line: a line break inside quotes makes rejects of both halves
(`bad_csv`), because a reader that looked for the closing quote would lose all that follows a stray one.
"""

import csv
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from gatewatch.core.events import Flag, Geo, LoginEvent, User, UserAgent
from gatewatch.ingest.contract import (
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
from gatewatch.ingest.native import bounded_extra
from gatewatch.ingest.normalise import address, identifier, place, short, user_agent
from gatewatch.ingest.safejson import BOM, decode_items, decode_value

_GEO_FIELDS = frozenset({"country_code", "region_name", "city", "city_name", "latitude", "longitude"})
_FIELDS = frozenset(
    {
        "geoip",
        "client_ip",
        "user_agent",
        "resource_id",
        "resource_name",
        "timestamp",
        "enterprise_id",
        "success",
    }
)
_SUCCESS = {"true": True, "1": True, "false": False, "0": False}
_JSON_COLUMNS = ("geoip", "user_agent")


class SeedGeo(msgspec.Struct, gc=False):
    """`geoip`."""

    country_code: str | None = None
    region_name: str | None = None
    city: str | None = None
    city_name: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class SeedAgent(msgspec.Struct, gc=False):
    """`user_agent`."""

    browser: str | None = None
    browser_version: str | int | float | None = None
    os: str | None = None
    os_version: str | int | float | None = None
    device: str | None = None


class SeedEvent(msgspec.Struct, gc=False):
    """`user_login_event`; numbers may be texts, as CSV has them."""

    event_type: str | None = None
    geoip: SeedGeo | None = None
    client_ip: str | None = None
    user_agent: SeedAgent | str | None = None
    resource_id: int | str | None = None
    resource_name: str | None = None
    timestamp: str | int | float | None = None
    enterprise_id: int | str | None = None
    success: bool | int | str | None = None


class SeedAdapter:
    """Reads `seed` files, JSON or CSV; see the module."""

    framing: ClassVar[Framing] = "json"
    envelope: ClassVar[tuple[str, ...]] = ()

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self._header: list[str] | None = None
        self._delimiter = ","

    def read(self, line: Line, arrival: Arrival) -> Sequence[Result]:
        """The event of a JSON object or a CSV record; of a JSON array one per item."""
        data = line.data.removeprefix(BOM).strip()
        if line.truncated_size:
            return [too_long(line, generated_id(self._identity, line.offset, 0, line.data), arrival)]
        if not data:
            return [Ignored("blank", line.number)]
        if data[0] == ord("["):
            return self._read_array(line, data, arrival)
        if data[0] != ord("{") and self._header is None:
            return [self._read_header(line, data, arrival)]
        return [self._read_item(line, 0, data, arrival, columns=data[0] != ord("{"))]

    def _read_array(self, line: Line, data: bytes, arrival: Arrival) -> Sequence[Result]:
        try:
            items = decode_items(data)
        except Refused as refusal:
            return [rejected(refusal, generated_id(self._identity, line.offset, 0, data), data, arrival)]
        read = [self._read_item(line, index, item, arrival) for index, item in enumerate(items)]
        return read or [Ignored("empty_array", line.number)]

    def _read_header(self, line: Line, data: bytes, arrival: Arrival) -> Result:
        text = data.decode("utf-8", "backslashreplace")
        self._delimiter = max(",;\t", key=text.count)
        try:
            columns = [column.strip().casefold() for column in _cells(text, self._delimiter)]
            if "timestamp" not in columns or not _FIELDS & set(columns):
                raise Refused(
                    "bad_header", "The first line is neither JSON nor a header with a timestamp column."
                )
        except Refused as refusal:
            return rejected(refusal, generated_id(self._identity, line.offset, 0, data), data, arrival)
        self._header = columns
        return Ignored("header", line.number)

    def _read_item(
        self, line: Line, index: int, data: bytes, arrival: Arrival, *, columns: bool = False
    ) -> Result:
        id = generated_id(self._identity, line.offset, index, data)
        try:
            document = self._cells(data) if columns else decode_value(data)
            if not isinstance(document, dict):
                raise Refused("not_an_object", "The JSON is no object.")
            return record(_event(document, id, arrival), data, arrival)
        except Refused as refusal:
            return rejected(refusal, id, data, arrival)

    def _cells(self, data: bytes) -> dict[str, Any]:
        """A CSV record as the JSON event it stands for."""
        try:
            cells = _cells(data.decode(), self._delimiter)
        except UnicodeDecodeError:
            raise Refused("bad_encoding", "The text is not UTF-8.") from None
        header = self._header or []
        if len(cells) != len(header):
            raise Refused("bad_csv", f"The record has {len(cells)} fields; the header has {len(header)}.")
        document: dict[str, Any] = {
            name: cell for name, cell in zip(header, cells, strict=True) if cell.strip()
        }
        for name in _JSON_COLUMNS:
            if document.get(name, "").lstrip()[:1] == "{":
                document[name] = decode_value(document[name].encode("utf-8", "ignore"))
        return document


def _cells(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise Refused("bad_csv", f"The line is no CSV record: {error}.") from None


def _event(document: dict[str, Any], id: str, arrival: Arrival) -> LoginEvent:
    seed = _typed(document)
    if seed.timestamp is None:
        raise Refused("no_time", "The event has no timestamp.")
    flags: list[Flag] = []
    time, zone_assumed = moment(seed.timestamp, arrival.zone)
    if zone_assumed:
        flags.append("zone_assumed")
    success = _success(seed.success)
    src = address(seed.client_ip)
    return LoginEvent(
        event_id=id,
        tenant_id=arrival.tenant_id,
        time=time,
        source=arrival.source,
        outcome="success" if success else "failure",
        reason_class=None if success else "bad_credentials",
        user=_user(seed, flags),
        ip=src.ip,
        port=src.port,
        geo=_geo(seed.geoip, flags) if seed.geoip else None,
        ua=_agent(seed.user_agent, flags) if seed.user_agent else None,
        extra=bounded_extra(_extra(document), flags),
        flags=tuple(flags),
    )


def _typed(document: dict[str, Any]) -> SeedEvent:
    try:
        # Not strict: "48.8" is a latitude in CSV, and the original's JSON quoted numbers as well.
        seed = msgspec.convert(document, SeedEvent, strict=False)
    except (msgspec.ValidationError, OverflowError) as error:
        raise Refused("bad_field", f"{error}.") from None
    if seed.event_type and "login" not in seed.event_type.casefold():
        raise Refused("unknown_type", f"{seed.event_type[:64]!a} is no login event.")
    return seed


def _success(value: bool | int | str | None) -> bool:
    if value is None:
        raise Refused("missing_field", "The event does not say whether it was a success.")
    success = _SUCCESS.get(str(value).strip().casefold())
    if success is None:
        raise Refused("bad_field", f"{str(value)[:64]!a} is no answer to success.")
    return success


def _user(seed: SeedEvent, flags: list[Flag]) -> User:
    return User(
        id=identifier(seed.resource_id, flags, "user_truncated"),
        name=identifier(seed.resource_name, flags, "user_truncated"),
    )


def _geo(geoip: SeedGeo, flags: list[Flag]) -> Geo | None:
    city = geoip.city or geoip.city_name or ""
    given = Geo(geoip.country_code or "", geoip.region_name or "", city, geoip.latitude, geoip.longitude)
    return place(given, flags)


def _agent(agent: SeedAgent | str, flags: list[Flag]) -> UserAgent:
    if isinstance(agent, str):
        return UserAgent(user_agent(agent, flags))
    parts = (agent.browser, agent.browser_version, agent.os, agent.os_version, agent.device)
    return UserAgent("", *(short(None if part is None else str(part), flags) for part in parts))


def _extra(document: dict[str, Any]) -> dict[str, Any]:
    extra = {key: value for key, value in document.items() if key not in _FIELDS}
    if (organisation := document.get("enterprise_id")) is not None:
        extra["organisation"] = organisation
    geoip = document.get("geoip")
    if isinstance(geoip, dict):
        rest = {key: value for key, value in geoip.items() if key not in _GEO_FIELDS}
        extra.update({"geoip": rest} if rest else {})
    return extra
