import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.core.records import MAX_DEAD_LETTER, EventRecord, RejectRecord, decode, encode
from gatewatch.core.times import MAX_TIME, MIN_TIME
from gatewatch.ingest.contract import Ignored, Line, RejectReason
from gatewatch.ingest.native_shape import Native
from gatewatch.ingest.registry import ADAPTERS
from tests.ingesting import arrival, lines

SSHD = st.text("AFacdeiorstuplmPw 0123456789:[]().%{}\"'\\\n-é\ud800").map(
    lambda text: b"Mar 27 13:06:56 h sshd[1]: " + text.encode("utf-8", "surrogatepass")
)
ATTEMPT = st.builds(
    lambda method, user, address, port: (
        f"Mar 27 13:06:56 h sshd[1]: Failed {method} for {user} from {address} port {port} ssh2".encode()
    ),
    *(
        st.text(max_size=9),
        st.text(max_size=40),
        st.sampled_from(["1.2.3.4", "::1", "x.y", "", "%"]),
        st.integers(),
    ),
)
SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [
            "LOGIN_ERROR",
            "SignInLogs",
            "2026-11-22T10:00:00Z",
            "success",
            "failure",
            "1.2.3.4",
            "alice",
            "login",
            1_795_341_600,
        ]
    )
)
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=9), v, max_size=3)
)
NAMES = [
    *Native.__struct_fields__,
    *(
        "specversion",
        "data",
        "data_base64",
        "timestamp",
        "success",
        "geoip",
        "client_ip",
        "resource_name",
        "event_type",
    ),
    *(
        "MESSAGE",
        "__REALTIME_TIMESTAMP",
        "SYSLOG_IDENTIFIER",
        "id",
        "name",
        "lat",
        "lon",
        "number",
        "raw",
        "groups",
    ),
    *("records", "value", "properties", "createdDateTime", "userPrincipalName", "status", "errorCode"),
    *("location", "geoCoordinates", "authenticationDetails", "category", "ipAddress", "details", "userId"),
]
OBJECTS = st.dictionaries(
    st.sampled_from(NAMES), VALUES | st.dictionaries(st.sampled_from(NAMES), SCALARS, max_size=4), max_size=8
).map(lambda value: json.dumps(value).encode())
CSV = st.text('timestamp,success"\n0 {}').map(
    lambda text: b"timestamp,success,resource_name,geoip\n" + text.encode()
)
ENVELOPE = st.lists(OBJECTS | st.binary(max_size=9), max_size=3).map(
    lambda items: b'{"records":[' + b",".join(items) + b"]}"
)
ANYTHING = (
    ENVELOPE
    | st.binary(max_size=300)
    | SSHD
    | ATTEMPT
    | OBJECTS
    | CSV
    | st.lists(OBJECTS, max_size=3).map(b"\n".join)
)


@pytest.mark.parametrize("source", ADAPTERS)
@given(data=ANYTHING)
def test_whatever_the_bytes(source: str, data: bytes) -> None:
    """No bytes raise; each piece is events, or ignored, or rejected; and all of it can go to the log and back."""
    adapter = ADAPTERS[source]("0" * 16)
    for piece in lines(data, source):
        results = adapter.read(piece, arrival(source))
        assert results
        assert {r.number for r in results if isinstance(r, Ignored)} <= {piece.number}
        for result in results:
            if not isinstance(result, Ignored):
                assert decode(encode(result)) == result
                check(result)


def check(record: EventRecord | RejectRecord) -> None:
    """What holds of every record."""
    if isinstance(record, RejectRecord):
        assert len(record.raw) <= MAX_DEAD_LETTER
        assert record.reason in get_args(RejectReason)
        assert record.detail
        assert "\n" not in record.detail
        record.detail.encode()
        return
    login = record.event
    assert MIN_TIME <= login.time <= MAX_TIME
    assert login.event_id
    assert login.ip or login.user.name.strip() or login.user.id.strip()
    assert "\0" not in repr(login)
    repr(login).encode()


@pytest.mark.parametrize("source", ADAPTERS)
@given(data=ANYTHING)
def test_same_again(source: str, data: bytes) -> None:
    """Reading is a function: the same bytes give the same records, those of another arrival the same ids."""
    pieces = lines(data, source)
    for piece in pieces:
        first = ADAPTERS[source]("0" * 16).read(piece, arrival(source))
        assert first == ADAPTERS[source]("0" * 16).read(piece, arrival(source))


@pytest.mark.parametrize("source", ADAPTERS)
def test_cut_line(source: str) -> None:
    """A line that was too long is rejected by every adapter, once."""
    (result,) = ADAPTERS[source]("0" * 16).read(Line(b"x", 0, 1, 2_000_000, "0" * 64), arrival(source))
    assert isinstance(result, RejectRecord)
    assert result.reason == "line_too_long"
