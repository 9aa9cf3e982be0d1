"""Records of vendors, as their documents have them: what each becomes, and what is not taken for a login."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gatewatch.core.events import Auth, LoginEvent, User
from gatewatch.core.records import EventRecord, RejectRecord
from gatewatch.ingest.contract import Result
from gatewatch.ingest.documents import opened
from gatewatch.ingest.entra_codes import CHALLENGES, class_of
from tests.ingesting import NOW, arrival, event, events, ignored, one, read, reject, rejects

DATA = Path(__file__).parents[2] / "data" / "vendors"
FILES = {path.stem: path for path in DATA.iterdir() if ".expected" not in path.name}
SIGN_IN: dict[str, Any] = {
    "id": "0231f922",
    "createdDateTime": "2026-11-22T10:00:00Z",
    "userPrincipalName": "alice@example.org",
    "ipAddress": "203.0.113.7",
    "status": {"errorCode": 0},
}
LOGIN: dict[str, Any] = {
    "id": "5f1c7a52",
    "time": NOW // 1000,
    "type": "LOGIN",
    "ipAddress": "203.0.113.9",
    "details": {"username": "alice"},
}


def told(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Results as the golden files have them."""
    return [_told(result) for result in results]


def _told(result: Result) -> dict[str, Any]:
    if isinstance(result, EventRecord):
        return {"event": msgspec.json.decode(msgspec.json.encode(result.event))}
    if isinstance(result, RejectRecord):
        return {"rejected": result.reason, "detail": result.detail, "size": result.size}
    return {"ignored": result.reason}


def entra(**changes: Any) -> LoginEvent:
    """A sign-in as Graph tells it."""
    return event(json.dumps(SIGN_IN | changes).encode(), "entra").event


def failed(code: int, **status: str) -> LoginEvent:
    """A sign-in that ended with an error."""
    return entra(status={"errorCode": code, **status})


def keycloak(**changes: Any) -> LoginEvent:
    """An event of Keycloak."""
    return event(json.dumps(LOGIN | changes).encode(), "keycloak").event


@pytest.mark.parametrize("source", FILES)
def test_golden(source: str) -> None:
    """Each record of the golden file becomes what its neighbour says, to the last field."""
    expected = json.loads((DATA / f"{source}.expected.json").read_text("utf-8"))
    assert told(read(FILES[source].read_bytes(), source)) == expected


@pytest.mark.parametrize("source", FILES)
def test_the_vendors_ids_are_kept(source: str) -> None:
    """Wherever a record comes from, its id is the vendor's: told twice, it is one event."""
    first, again = (
        read(FILES[source].read_bytes() + b"\n" * spaces, source, arrival(source, received=NOW + spaces))
        for spaces in (0, 1)
    )
    ids = [record.event.event_id for record in events(first)]
    assert len(ids) == len(set(ids))
    assert all(id.startswith(f"{source}-") for id in ids)
    assert ids == [record.event.event_id for record in events(again)]
    assert [r.digest for r in events(first)] == [r.digest for r in events(again)]


# Entra ------------------------------------------------------------------------------------------------------------


def test_a_list_of_graph() -> None:
    """What Graph lists is in `value`; a file may hold an array of sign-ins or a line for each as well."""
    sign_ins = [SIGN_IN | {"id": str(n)} for n in range(3)]
    forms = [{"@odata.context": "…", "value": sign_ins}, sign_ins]
    bodies = [json.dumps(form).encode() for form in forms]
    bodies.append(b"\n".join(json.dumps(one).encode() for one in sign_ins))
    for body in bodies:
        found = events(read(body, "entra"))
        assert [record.event.event_id for record in found] == ["entra-0-0", "entra-1-0", "entra-2-0"]


def test_interruptions_are_no_failures() -> None:
    """To be asked for a second factor or to stay signed in is a challenge, and teaches no counter of attacks."""
    assert {50074, 50076, 50140} <= CHALLENGES
    for code in CHALLENGES:
        login = failed(code)
        assert (login.outcome, login.reason_class, login.is_attack_failure) == ("challenge", None, False)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (50126, "bad_credentials"),
        (50034, "unknown_user"),
        (50053, "locked"),
        (50057, "disabled"),
        (50055, "expired"),
        (53003, "policy"),
        (50011, "config"),
        (424242, "other"),
    ],
)
def test_codes(code: int, expected: str) -> None:
    """A failure's code says why, in our classes."""
    login = failed(code)
    assert (login.outcome, login.reason, login.reason_class) == ("failure", f"AADSTS{code}", expected)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("MFA denied; user declined the authentication", "mfa_denied"),
        ("MFA denied; user did not respond to mobile app notification", "mfa_timeout"),
        ("Authentication timed out", "mfa_timeout"),
        ("", "mfa_denied"),
    ],
)
def test_a_second_factor(said: str, expected: str) -> None:
    """A factor that was denied and one that nobody answered have one code, and two classes."""
    assert failed(500121, additionalDetails=said).reason_class == expected
    assert class_of(50126, timed_out=True) == "bad_credentials"


def test_interrupted_and_done_later() -> None:
    """A sign-in that is told twice, first as interrupted and then as done, is two events, not a conflict."""
    assert failed(50074).event_id != entra().event_id


def test_a_token_is_renewed() -> None:
    """What a client does by itself is no log-on; that it worked still shows where its user is."""
    login = entra(isInteractive=False)
    assert (login.activity, login.is_success) == ("token", True)


def test_nobody() -> None:
    """A user that was not found has the name that was typed, and no id."""
    zero = "00000000-0000-0000-0000-000000000000"
    assert entra(userId=zero, userPrincipalName="", signInIdentifier="x@y").user == User(name="x@y")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"category": "AuditLogs"}, "not_a_login"),
        ({"category": "RiskyUsers"}, "not_a_login"),
        ({"category": "ManagedIdentitySignInLogs"}, "application_sign_in"),
        ({"signInEventTypes": ["servicePrincipal"]}, "application_sign_in"),
    ],
)
def test_other_logs(changes: dict[str, Any], reason: str) -> None:
    """Other logs on the same hub, and sign-ins of applications, are ignored and say so."""
    (found,) = ignored(read(json.dumps(SIGN_IN | changes).encode(), "entra"))
    assert found.reason == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"createdDateTime": None}, "no_time"),
        ({"createdDateTime": "yesterday"}, "bad_time"),
        ({"status": None}, "missing_field"),
        ({"status": {"errorCode": "wrong"}}, "bad_field"),
        ({"status": "{"}, "bad_json"),
        ({"ipAddress": "somewhere"}, "bad_address"),
        ({"ipAddress": None, "userPrincipalName": None}, "no_subject"),
        ({"location": {"geoCoordinates": {"latitude": "north"}}}, "bad_field"),
        ({"autonomousSystemNumber": -5}, "bad_field"),
    ],
)
def test_sign_ins_that_cannot_be_read(changes: dict[str, Any], reason: str) -> None:
    """What cannot be read is rejected for a reason, with its bytes."""
    data = json.dumps(SIGN_IN | changes).encode()
    found = reject(data, "entra")
    assert (found.reason, found.raw) == (reason, data)


def test_an_envelope_with_a_broken_record() -> None:
    """A record that is broken, too deep or no UTF-8 harms none beside it, and is told with its own bytes."""
    good = json.dumps(SIGN_IN).encode()
    deep = b'{"id":' + b"[" * 100 + b"]" * 100 + b"}"
    for bad in (b'{"id":}', deep, b'{"id":"\xff"}', b"7"):
        results = read(b'{"records": [' + good + b"," + bad + b"," + good + b"]}", "entra")
        assert len(events(results)) == 2
        assert [found.raw for found in rejects(results)] == [bad]


@pytest.mark.parametrize(
    "data", [b'{"records": 7}', b'{"records": {}}', b'{"value": "x"}', b"{}", b'{"records": [', b"[]", b"7"]
)
def test_what_is_no_envelope(data: bytes) -> None:
    """Whatever stands where an array of records should be is accounted for by itself."""
    result = one(data, "entra")
    assert not isinstance(result, EventRecord)


def test_an_envelope_is_opened_by_its_names_only() -> None:
    """An object is an envelope where it has an array under one of the names, whatever else it has."""
    assert opened(b'{"a": 1, "records": [1, {"b": 2}]}', ("records",)) == [b"1", b'{"b": 2}']
    assert opened(b'{"records": [1]}', ("value",)) is None
    assert opened(b'{"records": [1]}', ()) is None
    assert opened(b'{"records": []}', ("records",)) == []


# Keycloak ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "expected", "attack"),
    [
        ("invalid_user_credentials", "bad_credentials", True),
        ("user_not_found", "unknown_user", True),
        ("user_disabled", "disabled", False),
        ("user_temporarily_disabled", "locked", False),
        ("expired_code", "expired", False),
        ("invalid_redirect_uri", "config", False),
        ("rejected_by_user", "other", False),
        ("something_new", "other", False),
        (None, "other", False),
    ],
)
def test_errors(error: str | None, expected: str, attack: bool) -> None:
    """An error says why; what is a matter of set-up feeds no counter of attacks."""
    login = keycloak(type="LOGIN_ERROR", error=error)
    assert (login.outcome, login.reason_class, login.is_attack_failure) == ("failure", expected, attack)


def test_the_text_null() -> None:
    """The id of a user that was not found is the text "null": nobody is called that."""
    assert keycloak(userId="null").user == User(name="alice")
    assert keycloak(userId="null", details=None).user_key == "@ip:203.0.113.9"


def test_what_applications_do() -> None:
    """Tokens are fetched from an application's own address, which is not where its user is: no event."""
    for kind in ("CODE_TO_TOKEN", "REFRESH_TOKEN", "CLIENT_LOGIN", "INTROSPECT_TOKEN", "SOMETHING_NEW_ERROR"):
        (found,) = ignored(read(json.dumps(LOGIN | {"type": kind}).encode(), "keycloak"))
        assert found.reason == "not_a_login"


def test_how_and_where() -> None:
    """Session, protocol and method are where an event has them; the realm is kept beside."""
    login = keycloak(
        realmId="r-1",
        clientId="portal",
        details={"username": "alice", "code_id": "c-1", "auth_method": "saml", "credential_type": "otp"},
    )
    assert login.session_id == "c-1"
    assert login.auth == Auth(method="otp", protocol="saml")
    assert login.app is not None
    assert (login.app.id, login.extra) == ("portal", {"realm": "r-1"})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": None}, "missing_field"),
        ({"type": 7}, "bad_field"),
        ({"time": None}, "no_time"),
        ({"time": "soon"}, "bad_time"),
        ({"time": -1}, "time_out_of_range"),
        ({"details": "none"}, "bad_field"),
        ({"ipAddress": "proxy.example.org"}, "bad_address"),
        ({"ipAddress": None, "details": {}}, "no_subject"),
    ],
)
def test_events_that_cannot_be_read(changes: dict[str, Any], reason: str) -> None:
    """What cannot be read is rejected for a reason, with its bytes."""
    data = json.dumps(LOGIN | changes).encode()
    found = reject(data, "keycloak")
    assert (found.reason, found.raw) == (reason, data)
