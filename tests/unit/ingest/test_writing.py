"""Events as they are sent on: who reads them gets the same."""

from __future__ import annotations

import msgspec
import pytest

from gatewatch.core.events import App, Auth, LoginEvent, User
from gatewatch.core.records import EventRecord
from gatewatch.core.times import SECOND
from gatewatch.ingest.contract import Arrival
from gatewatch.ingest.native import read_native
from gatewatch.ingest.writing import native_line
from tests.builders import OSLO, START, failure, login

EVERYTHING = login(
    START + 123_456,
    user="Ada",
    port=50_122,
    hostname="host.example.org",
    device_id="d-1",
    session_id="s-1",
    activity="mfa",
    reason="odd, in their words",
    auth=Auth(method="password", factors=("otp",), protocol="oidc", is_mfa=True),
    app=App("portal", "Portal"),
    extra={"risk": {"level": [1, "two", None]}, "stage": "post_auth"},
)


@pytest.mark.parametrize(
    "event",
    [EVERYTHING, login(START), failure(START, geo=None, asn=None, ua=None), login(START, user="", geo=OSLO)],
)
def test_what_is_written_is_read_as_the_same(event: LoginEvent) -> None:
    """A written event is read with all its fields; tenant, source and flags are those of its arrival."""
    arrival = Arrival(tenant_id=event.tenant_id, received=START + SECOND, source=event.source)
    found = read_native(native_line(event), arrival, "another id")
    assert isinstance(found, EventRecord)
    assert msgspec.structs.replace(found.event, flags=()) == event
    assert found.event.user == User(name=event.user.name)
