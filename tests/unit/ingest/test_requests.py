"""A request's body into records: each item stands and falls by itself."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.ingest.contract import Arrival
from gatewatch.ingest.requests import Reading, TooManyItems, pieces, read_events, read_records
from gatewatch.ingest.seed import SeedAdapter
from gatewatch.ingest.sshd import SshdAdapter
from tests.builders import START

ARRIVAL = Arrival(tenant_id="acme", received=START, source="native")
IDENTITY = bytes(range(16))


def event(**changes: Any) -> dict[str, Any]:
    """An event as an application sends it."""
    return {"time": "2026-03-02T07:00:00Z", "outcome": "success", "user": "alice", **changes}


def events(body: bytes, *, lines: bool = False, limit: int = 100, depth: int = 64) -> Reading:
    """Read native events."""
    return read_events(body, lines, ARRIVAL, IDENTITY, limit, depth)


def encoded(*items: Any) -> list[bytes]:
    """Each item as JSON."""
    return [json.dumps(item).encode() for item in items]


@pytest.mark.parametrize(
    ("body", "lines", "count"),
    [
        (b"\n".join(encoded(event(), event())), True, 2),
        (b"\r\n".join([*encoded(event(), event()), b""]), True, 2),
        (b"\n".join(encoded(event(), event())), False, 2),
        (json.dumps([event(), event(), event()]).encode(), False, 3),
        (json.dumps([event(), event()], indent=2).encode(), False, 2),
        (json.dumps(event(), indent=2).encode(), False, 1),
        (b"\xef\xbb\xbf" + encoded(event())[0], False, 1),
        (b" \n [ ] \n", False, 0),
        (b"  ", False, 0),
    ],
    ids=["lines", "crlf", "lines as JSON", "array", "pretty array", "pretty", "bom", "empty", "blank"],
)
def test_every_form_of_a_body(body: bytes, lines: bool, count: int) -> None:
    """An object, an array and lines give the same events, however they are laid out."""
    found = events(body, lines=lines)
    assert (len(found.events), found.rejects) == (count, [])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{", "bad_json"),
        (b'{"time":', "bad_json"),
        (b"1", "not_an_object"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "too_deep"),
        (b"NaN", "bad_json"),
        (b'{"outcome":"success"}', "no_time"),
        (b"\xff", "bad_json"),
    ],
)
@pytest.mark.parametrize("form", ["lines", "array"])
def test_a_bad_item_harms_no_neighbour(bad: bytes, reason: str, form: str) -> None:
    """Whatever an item is, the ones beside it are read, and it is told by its index."""
    before, after = encoded(event(user="a"), event(user="b"))
    if form == "lines":
        found = events(b"\n".join([before, bad, after]), lines=True)
    else:
        found = events(b"[" + b",".join([before, after, bad]) + b"]")
    assert [record.event.user.name for record in found.events] == ["a", "b"]
    (index, reject), *rest = found.rejects
    assert index == (1 if form == "lines" else 2)
    assert reject.reason == reason or form == "array"
    assert not rest


@pytest.mark.parametrize("body", [b"[", b"[{", b'["', b"[,", b"]", b"}", b'"', b"[1,2", b"\x00", b"{}{}"])
def test_what_is_no_json_is_a_reject(body: bytes) -> None:
    """A broken body is rejected, never silently empty."""
    found = events(body)
    assert not found.events
    assert found.rejects


def test_an_item_may_be_nested_as_deeply_as_said() -> None:
    """The depth is counted within an item; an array around it is none of its own."""
    deep: Any = 1
    for _ in range(9):
        deep = {"x": deep}
    body = json.dumps([event(), event(more=deep)]).encode()
    assert len(events(body, depth=10).events) == 2
    found = events(body, depth=9)
    assert [(index, reject.reason) for index, reject in found.rejects] == [(1, "too_deep")]


def test_too_many_items_are_refused_whole() -> None:
    """Beyond the limit nothing is read, in whatever form, blank lines included."""
    item = encoded(event())[0]
    assert len(pieces(b"[" + b",".join([item] * 5) + b"]", False, 5)) == 5
    assert len(pieces(b"\n".join([item] * 5), True, 5)) == 5
    for body, lines in (
        (b"[" + b",".join([item] * 6) + b"]", False),
        (b"[" + b",".join([item] * 6), False),
        (b"\n".join([item] * 6), True),
        (item + b"\n" * 6 + item, True),
        (b"[" + b"1," * 3_000, False),
    ):
        with pytest.raises(TooManyItems):
            pieces(body, lines, 5)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * (8 << 20),
        b"1," * (4 << 20),
        b"[" + b"1," * (4 << 20),
        b'[""' + b',""' * (2 << 20),
        b"\n" * (8 << 20),
        b"{" + b"\n" * (8 << 20),
        b'{"a":' * (1 << 20) + b"\n",
        b"[" + b"{}," * (2 << 20),
    ],
    ids=["brackets", "numbers", "array of numbers", "strings", "newlines", "open object", "deep", "objects"],
)
def test_a_hostile_body_costs_little(body: bytes) -> None:
    """Eight megabytes made to be slow are refused in a moment."""
    began = time.process_time()
    with contextlib.suppress(TooManyItems):
        assert not events(body, limit=10_000).events
    assert time.process_time() - began < 5


def test_repeats_within_a_request_are_told_from_conflicts() -> None:
    """The same event twice is one and a duplicate; the same id with another body goes on, to be kept as a conflict."""
    first, other = event(event_id="a"), event(event_id="a", user="bob")
    found = events(json.dumps([first, first, other, first]).encode())
    assert [record.event.user.name for record in found.events] == ["alice", "bob"]
    assert found.duplicates == 2


def test_items_without_an_id_get_one_from_their_request() -> None:
    """Equal items stay two events, and the same request gives the same ids again."""
    body = json.dumps([event(), event()]).encode()
    ids = [record.event.event_id for record in events(body).events]
    assert len({*ids}) == 2
    assert [record.event.event_id for record in events(body).events] == ids
    other = read_events(body, False, ARRIVAL, bytes(16), 100, 64)
    assert not {record.event.event_id for record in other.events} & {*ids}


def test_the_tenant_never_comes_from_the_body() -> None:
    """Whatever a body says of tenants, the event belongs to the arrival's."""
    (found,) = events(
        json.dumps(event(tenant_id="other", tenant="other", enterprise_id="other")).encode()
    ).events
    assert (found.tenant_id, found.key) == ("acme", "acme:alice")


LINES = b"""Mar  2 07:00:00 host sshd[1]: Failed password for alice from 192.0.2.10 port 22 ssh2
Mar  2 07:00:00 host sshd[1]: Failed password for alice from 192.0.2.10 port 22 ssh2
Mar  2 07:00:01 host cron[1]: job

Mar  2 07:00:02 host sshd[1]: Failed password for from
"""


def agent(body: bytes, adapter: Any = SshdAdapter, limit: int = 100, identity: bytes = IDENTITY) -> Reading:
    """Read what an agent sends."""
    return read_records(body, adapter, False, ARRIVAL, identity, limit, 64)


def test_an_agents_lines_are_read_as_a_file_would_be() -> None:
    """Equal lines stay two events, lines of others are ignored, bad ones rejected with their index."""
    found = agent(LINES)
    assert (len(found.events), found.ignored) == (2, 1)
    assert [(index, reject.reason) for index, reject in found.rejects] == [(4, "bad_sshd_line")]
    assert len({record.event.event_id for record in found.events}) == 2
    assert agent(LINES).events == found.events
    assert not {r.event.event_id for r in agent(LINES, identity=bytes(16)).events} & {
        record.event.event_id for record in found.events
    }


def test_a_line_that_stands_for_thousands_is_bounded() -> None:
    """The limit is one of events, not of lines."""
    said = b"Failed password for a from 192.0.2.1 port 1 ssh2"
    line = b"Mar  2 07:00:00 host sshd[1]: message repeated 60 times: [ %s]" % said
    assert len(agent(line).events) == 60
    with pytest.raises(TooManyItems):
        agent(line + b"\n" + line)


def test_other_formats_come_as_array_and_as_csv() -> None:
    """The seed format is read from an array of any length and from a CSV with its header."""
    record = {
        "timestamp": "2026-03-02 07:00:00",
        "client_ip": "192.0.2.1",
        "success": True,
        "resource_name": "alice",
        "enterprise_id": "other",
    }
    found = agent(json.dumps([record] * 20).encode(), SeedAdapter)
    assert (len(found.events), found.rejects) == (20, [])
    assert {r.tenant_id for r in found.events} == {"acme"}
    table = b"timestamp,client_ip,success,resource_name\n2026-03-02 07:00:00,192.0.2.1,true,alice\n"
    assert len(agent(table, SeedAdapter).events) == 1


def test_a_line_that_is_too_long_keeps_its_size() -> None:
    """Of a line over a megabyte the reject has the head, the full size and the hash."""
    found = agent(b"x" * (1 << 20) + b"y")
    ((_, reject),) = found.rejects
    assert (reject.reason, reject.size, len(reject.raw)) == ("line_too_long", (1 << 20) + 1, 65_536)


@given(st.binary(max_size=300), st.booleans())
def test_no_body_ever_raises(body: bytes, lines: bool) -> None:
    """Whatever comes, each item ends as an event or a reject."""
    found = events(body, lines=lines)
    assert len(found.events) + len(found.rejects) + found.duplicates <= 100
    agent(body)
    agent(body, SeedAdapter)


@given(st.lists(st.sampled_from([*encoded(event(), event(event_id="x"), 1, [], "a"), b"{", b"]", b'"'])))
def test_every_line_is_accounted_for(items: list[bytes]) -> None:
    """Of lines none is lost: accepted, duplicate or rejected."""
    found = events(b"\n".join(items), lines=True)
    assert len(found.events) + found.duplicates + len(found.rejects) == len(items)
