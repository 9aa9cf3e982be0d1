"""`entra`: sign-ins of Microsoft Entra ID, as diagnostic settings stream them and as Microsoft Graph lists them.

An Event Hub's message (and a file of a storage account) holds `{"records": […]}`; each record says in `category` what
it is, and has the sign-in in `properties`. Graph's `signIn` is that object itself, in `{"value": […]}` where it lists
many. Sign-ins of people are events; those of applications, and other logs on the same hub, are ignored.

Being asked for more (a second factor, to stay signed in) is an interruption with an error code, and no failure: its
outcome is `challenge`. The id is the sign-in's with its error code: a sign-in that is first told as interrupted and
later as done is both.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from gatewatch.core.events import Activity, App, Asn, Auth, Flag, Geo, LoginEvent, Outcome, User, UserAgent
from gatewatch.ingest.contract import Arrival, Framing, IgnoreReason, Line, Refused, Result
from gatewatch.ingest.documents import read_documents, shaped
from gatewatch.ingest.entra_codes import CHALLENGES, TIMED_OUT, class_of
from gatewatch.ingest.moments import moment
from gatewatch.ingest.native import bounded_extra
from gatewatch.ingest.normalise import (
    address,
    event_identifier,
    identifier,
    network,
    place,
    short,
    texts,
    user_agent,
)
from gatewatch.ingest.safejson import decode_value

#: The categories of diagnostic logs that hold people's sign-ins, and those of applications'.
PEOPLE = frozenset({"signin", "signinlogs", "noninteractiveusersigninlogs", "adfssigninlogs"})
APPLICATIONS = frozenset({"serviceprincipalsigninlogs", "managedidentitysigninlogs"})
#: What Graph says instead of a category.
_APPLICATION_TYPES = frozenset({"serviceprincipal", "managedidentity"})
#: The user of a sign-in that found none.
_NOBODY = "00000000-0000-0000-0000-000000000000"
#: What stands where somebody took out what tells of people; no id.
_REMOVED = "{PII Removed}"
#: Fields of a sign-in that are kept beside what an event has a place for.
_KEPT = (
    *("clientAppUsed", "conditionalAccessStatus", "correlationId", "crossTenantAccessType", "homeTenantId"),
    *("incomingTokenType", "resourceDisplayName", "resourceTenantId", "riskDetail", "riskEventTypes_v2"),
    *("riskLevelAggregated", "riskLevelDuringSignIn", "riskState", "tenantId", "userDisplayName", "userType"),
)


class Status(msgspec.Struct, rename="camel", gc=False):
    """How it ended: 0, or the number of an AADSTS error."""

    error_code: int | None = None
    failure_reason: str | None = None
    additional_details: str | None = None


class Coordinates(msgspec.Struct, gc=False):
    """Degrees."""

    latitude: float | None = None
    longitude: float | None = None


class Location(msgspec.Struct, rename="camel", gc=False):
    """Where Microsoft places the address."""

    city: str | None = None
    state: str | None = None
    country_or_region: str | None = None
    geo_coordinates: Coordinates | None = None


class Device(msgspec.Struct, rename="camel", gc=False):
    """`deviceDetail`."""

    device_id: str | None = None
    operating_system: str | None = None
    browser: str | None = None


class Step(msgspec.Struct, rename="camel", gc=False):
    """One of `authenticationDetails`."""

    authentication_method: str | None = None
    authentication_step_result_detail: str | None = None


class SignIn(msgspec.Struct, rename="camel", gc=False):
    """Graph's `signIn`, which is a diagnostic record's `properties`."""

    id: str | None = None
    created_date_time: str | None = None
    user_id: str | None = None
    user_principal_name: str | None = None
    alternate_sign_in_name: str | None = None
    sign_in_identifier: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    autonomous_system_number: int | str | None = None
    status: Status | None = None
    location: Location | None = None
    device_detail: Device | None = None
    authentication_requirement: str | None = None
    authentication_protocol: str | None = None
    authentication_details: list[Step] | None = None
    app_id: str | None = None
    app_display_name: str | None = None
    session_id: str | None = None
    is_interactive: bool | None = None
    sign_in_event_types: list[str] | None = None


class EntraAdapter:
    """Reads `entra` records; see the module."""

    framing: ClassVar[Framing] = "json"
    envelope: ClassVar[tuple[str, ...]] = ("records", "value")

    def __init__(self, identity: str) -> None:
        self._identity = identity

    def read(self, line: Line, arrival: Arrival) -> Sequence[Result]:
        """What became of each record of an envelope, of an array, or of the one object."""
        return read_documents(line, self._identity, arrival, self.envelope, _interpret)


def _interpret(document: dict[str, Any], id: str, arrival: Arrival) -> LoginEvent | IgnoreReason:
    category = document.get("category")
    if isinstance(category, str) and (kind := category.casefold()) not in PEOPLE:
        return "application_sign_in" if kind in APPLICATIONS else "not_a_login"
    fields = _fields(document)
    sign_in = shaped(fields, SignIn)
    kinds = {kind.casefold() for kind in sign_in.sign_in_event_types or ()}
    if kinds & _APPLICATION_TYPES:
        return "application_sign_in"
    return _event(sign_in, fields, id, arrival)


def _fields(document: dict[str, Any]) -> dict[str, Any]:
    """The sign-in's fields; what its record alone says fills what is missing."""
    inner = document.get("properties")
    fields = dict(inner) if isinstance(inner, dict) else dict(document)
    for name, outer in (
        ("createdDateTime", "time"),
        ("ipAddress", "callerIpAddress"),
        ("correlationId", "correlationId"),
        ("tenantId", "tenantId"),
    ):
        if fields.get(name) is None and document.get(outer) is not None:
            fields[name] = document[outer]
    if fields.get("status") is None and document.get("resultType") is not None:
        fields["status"] = {
            "errorCode": document["resultType"],
            "failureReason": document.get("resultDescription"),
        }
    # Some logs write objects as texts of JSON.
    for name in ("status", "location", "deviceDetail", "authenticationDetails"):
        if isinstance(text := fields.get(name), str):
            fields[name] = decode_value(text.encode("utf-8", "ignore")) if text.strip() else None
    return fields


def _event(sign_in: SignIn, fields: dict[str, Any], id: str, arrival: Arrival) -> LoginEvent:
    if sign_in.created_date_time is None:
        raise Refused("no_time", "The sign-in has no createdDateTime, and its record no time.")
    status = sign_in.status
    if status is None or status.error_code is None:
        raise Refused("missing_field", "The sign-in has neither status.errorCode nor resultType.")
    flags: list[Flag] = []
    time, zone_assumed = moment(sign_in.created_date_time, arrival.zone)
    if zone_assumed:
        flags.append("zone_assumed")
    code, src = status.error_code, address(sign_in.ip_address)
    device = sign_in.device_detail.device_id if sign_in.device_detail else None
    outcome = _outcome(code)
    return LoginEvent(
        event_id=event_identifier(f"entra-{sign_in.id}-{code}") if sign_in.id else id,
        tenant_id=arrival.tenant_id,
        time=time,
        source=arrival.source,
        activity=_activity(sign_in),
        outcome=outcome,
        reason=f"AADSTS{code}" if code else "",
        reason_class=class_of(code, _timed_out(sign_in)) if outcome == "failure" else None,
        user=_user(sign_in, flags),
        ip=src.ip,
        port=src.port,
        geo=_geo(sign_in.location, flags),
        asn=_asn(sign_in, flags),
        ua=_agent(sign_in, flags),
        device_id=identifier(device if device != _REMOVED else None, flags),
        session_id=identifier(sign_in.session_id, flags),
        auth=_auth(sign_in, flags),
        app=_app(sign_in, flags),
        extra=bounded_extra(_extra(fields, status), flags),
        flags=tuple(flags),
    )


def _outcome(code: int) -> Outcome:
    if code == 0:
        return "success"
    return "challenge" if code in CHALLENGES else "failure"


def _activity(sign_in: SignIn) -> Activity:
    """A client that renews its token on behalf of somebody is no log-on, though it shows where they are."""
    return "token" if sign_in.is_interactive is False else "logon"


def _timed_out(sign_in: SignIn) -> bool:
    """Whether a second factor was not answered, as opposed to denied: the code is the same."""
    said = [sign_in.status.additional_details if sign_in.status else None]
    said += [step.authentication_step_result_detail for step in sign_in.authentication_details or ()]
    return any(words in (text or "").casefold() for text in said for words in TIMED_OUT)


def _user(sign_in: SignIn, flags: list[Flag]) -> User:
    id = sign_in.user_id if sign_in.user_id != _NOBODY else None
    # Where the name is that of nobody, only what was typed is known.
    typed = sign_in.sign_in_identifier or sign_in.alternate_sign_in_name
    name = sign_in.user_principal_name or typed
    return User(id=identifier(id, flags, "user_truncated"), name=identifier(name, flags, "user_truncated"))


def _geo(location: Location | None, flags: list[Flag]) -> Geo | None:
    if location is None:
        return None
    at = location.geo_coordinates or Coordinates()
    country, region, city = location.country_or_region, location.state, location.city
    return place(Geo(country or "", region or "", city or "", at.latitude, at.longitude), flags)


def _asn(sign_in: SignIn, flags: list[Flag]) -> Asn | None:
    number = sign_in.autonomous_system_number
    return network(number, None, None, flags) if number else None


def _agent(sign_in: SignIn, flags: list[Flag]) -> UserAgent | None:
    """The header; without one, what Entra read of it."""
    if raw := user_agent(sign_in.user_agent, flags):
        return UserAgent(raw)
    device = sign_in.device_detail
    if device is None or not (device.browser or device.operating_system):
        return None
    name, _, version = (device.browser or "").rpartition(" ")
    browser = (name, version) if name and version[:1].isdigit() else (device.browser or "", "")
    return UserAgent(
        "", short(browser[0], flags), short(browser[1], flags), short(device.operating_system, flags)
    )


def _auth(sign_in: SignIn, flags: list[Flag]) -> Auth | None:
    methods = [step.authentication_method or "" for step in sign_in.authentication_details or ()]
    required = sign_in.authentication_requirement
    auth = Auth(
        method=short(methods[0] if methods else None, flags),
        factors=texts(list(dict.fromkeys(filter(None, methods[1:]))), flags),
        protocol=short(sign_in.authentication_protocol, flags),
        is_mfa=required.casefold() == "multifactorauthentication" if required else None,
    )
    return auth if auth != Auth() else None


def _app(sign_in: SignIn, flags: list[Flag]) -> App | None:
    app = App(identifier(sign_in.app_id, flags), short(sign_in.app_display_name, flags))
    return app if app != App() else None


def _extra(fields: dict[str, Any], status: Status) -> dict[str, Any]:
    extra = {name: fields[name] for name in _KEPT if fields.get(name) not in (None, "", [])}
    if status.error_code and status.failure_reason:
        extra["failureReason"] = status.failure_reason
    return extra
