"""`keycloak`: user events of Keycloak as JSON, one object each, as event listeners publish them.

A `LOGIN` is a success and a `LOGIN_ERROR` a failure, whose `error` says why; changes of what people log in with, and
lockouts, are events as well. All else is ignored: what applications do behind a login (`CODE_TO_TOKEN`,
`REFRESH_TOKEN` …) comes from their own addresses, and would move their users about. Admin events are none of people.

`error` may be that of a redirect address or a client that is not set up: class `config`, never an attack. A user that
was not found has the text "null" as id.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from gatewatch.core.events import Activity, App, Auth, Flag, LoginEvent, Outcome, ReasonClass, User
from gatewatch.ingest.contract import Arrival, Framing, IgnoreReason, Line, Refused, Result
from gatewatch.ingest.documents import read_documents, shaped
from gatewatch.ingest.moments import moment
from gatewatch.ingest.native import bounded_extra
from gatewatch.ingest.normalise import address, event_identifier, identifier, short

#: Types that are events, without the `_ERROR` at the end of those that failed.
ACTIVITIES: dict[str, Activity] = {
    "LOGIN": "logon",
    "LOGOUT": "logoff",
    **dict.fromkeys(
        (
            *("UPDATE_PASSWORD", "RESET_PASSWORD", "UPDATE_TOTP", "REMOVE_TOTP"),
            *("UPDATE_CREDENTIAL", "REMOVE_CREDENTIAL"),
        ),
        "factor_change",
    ),
    **dict.fromkeys(("USER_DISABLED_BY_TEMPORARY_LOCKOUT", "USER_DISABLED_BY_PERMANENT_LOCKOUT"), "lockout"),
}
#: Why something failed; an error that is not here is "other".
ERRORS: dict[str, ReasonClass] = {
    "invalid_user_credentials": "bad_credentials",
    "invalid_authentication_session": "expired",
    "user_not_found": "unknown_user",
    "invalid_user": "unknown_user",
    "username_missing": "unknown_user",
    "user_disabled": "disabled",
    "user_temporarily_disabled": "locked",
    **dict.fromkeys(("expired_code", "session_expired", "cookie_not_found", "invalid_code"), "expired"),
    **dict.fromkeys(("access_denied", "not_allowed", "consent_denied"), "policy"),
    **dict.fromkeys(
        (
            *("invalid_redirect_uri", "invalid_client", "client_not_found", "client_disabled"),
            *("invalid_client_credentials", "unauthorized_client", "invalid_request", "invalid_scope"),
            *("ssl_required", "realm_disabled", "identity_provider_error", "unknown_identity_provider"),
        ),
        "config",
    ),
}
#: Details that an event has a place of its own for.
_PLACED = frozenset({"username", "code_id", "auth_method", "credential_type", "selected_credential_id"})
_FAILED = "_ERROR"


class KeycloakEvent(msgspec.Struct, rename="camel", gc=False):
    """`org.keycloak.events.Event`; `time` is in milliseconds."""

    id: str | None = None
    time: int | str | None = None
    type: str | None = None
    realm_id: str | None = None
    realm_name: str | None = None
    client_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    ip_address: str | None = None
    error: str | None = None
    details: dict[str, Any] | None = None


class KeycloakAdapter:
    """Reads `keycloak` events; see the module."""

    framing: ClassVar[Framing] = "json"
    envelope: ClassVar[tuple[str, ...]] = ()

    def __init__(self, identity: str) -> None:
        self._identity = identity

    def read(self, line: Line, arrival: Arrival) -> Sequence[Result]:
        """What became of an object, or of each item of an array."""
        return read_documents(line, self._identity, arrival, self.envelope, _interpret)


def _interpret(document: dict[str, Any], id: str, arrival: Arrival) -> LoginEvent | IgnoreReason:
    if "operationType" in document:
        return "admin_event"
    found = shaped(document, KeycloakEvent)
    if not found.type:
        raise Refused("missing_field", "The event has no type.")
    activity = ACTIVITIES.get(found.type.removesuffix(_FAILED))
    return _event(found, activity, id, arrival) if activity is not None else "not_a_login"


def _event(found: KeycloakEvent, activity: Activity, id: str, arrival: Arrival) -> LoginEvent:
    if found.time is None:
        raise Refused("no_time", "The event has no time.")
    flags: list[Flag] = []
    time, zone_assumed = moment(found.time, arrival.zone)
    if zone_assumed:
        flags.append("zone_assumed")
    details = found.details or {}
    src, failed = address(found.ip_address), bool(found.type and found.type.endswith(_FAILED))
    outcome: Outcome = "failure" if failed else "success"
    return LoginEvent(
        event_id=event_identifier(f"keycloak-{found.id}") if found.id else id,
        tenant_id=arrival.tenant_id,
        time=time,
        source=arrival.source,
        activity=activity,
        outcome=outcome,
        reason=short(found.error, flags) if failed else "",
        reason_class=ERRORS.get(found.error or "", "other") if failed else None,
        user=_user(found, details, flags),
        ip=src.ip,
        port=src.port,
        session_id=identifier(found.session_id or _text(details, "code_id"), flags),
        auth=_auth(details, flags),
        app=App(identifier(found.client_id, flags)) if found.client_id else None,
        extra=bounded_extra(_extra(found, details), flags),
        flags=tuple(flags),
    )


def _text(details: dict[str, Any], name: str) -> str:
    value = details.get(name)
    return value if isinstance(value, str) else ""


def _user(found: KeycloakEvent, details: dict[str, Any], flags: list[Flag]) -> User:
    id = found.user_id if found.user_id != "null" else None
    name = _text(details, "username")
    return User(id=identifier(id, flags, "user_truncated"), name=identifier(name, flags, "user_truncated"))


def _auth(details: dict[str, Any], flags: list[Flag]) -> Auth | None:
    method, protocol = _text(details, "credential_type"), _text(details, "auth_method")
    if not method and not protocol:
        return None
    return Auth(method=short(method, flags), protocol=short(protocol, flags))


def _extra(found: KeycloakEvent, details: dict[str, Any]) -> dict[str, Any]:
    extra = {name: value for name, value in details.items() if name not in _PLACED}
    if realm := found.realm_name or found.realm_id:
        extra["realm"] = realm
    return extra
