"""Messages of vendors' topics: within the limits of a request, and each item by itself."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from gatewatch.core.records import MAX_DEAD_LETTER
from gatewatch.ingest.messages import Limits, place_of, read_message
from gatewatch.ingest.registry import ADAPTERS
from gatewatch.ingest.requests import Reading
from tests.ingesting import NOW, arrival

LIMITS = Limits(size=20_000, unpacked=50_000, items=50, depth=64)
PLACE = place_of("logins", 3, 7)
EVENT = {"time": "2026-11-22T10:00:00Z", "outcome": "success", "user": "alice"}
FAILED = b"Nov 22 10:00:00 host sshd[1]: Failed password for root from 203.0.113.7 port 42 ssh2"


def encoded(value: Any) -> bytes:
    """JSON."""
    return json.dumps(value).encode()


def message(value: bytes, source: str = "native", place: bytes = PLACE, **limits: int) -> Reading:
    """What a message holds."""
    return read_message(value, ADAPTERS[source], arrival(source), place, LIMITS._replace(**limits))


@pytest.mark.parametrize(
    ("value", "source", "count"),
    [
        (encoded(EVENT), "native", 1),
        (encoded([EVENT, EVENT]), "native", 2),
        (encoded(EVENT) + b"\n" + encoded(EVENT), "native", 2),
        (gzip.compress(encoded([EVENT])), "native", 1),
        (FAILED, "sshd", 1),
        (FAILED + b"\n" + FAILED, "sshd", 2),
        (b"", "native", 0),
    ],
    ids=["object", "array", "lines", "gzip", "syslog", "syslog lines", "tombstone"],
)
def test_every_form(value: bytes, source: str, count: int) -> None:
    """A message is one record or many, packed or not, as the vendor likes."""
    found = message(value, source)
    assert (len(found.events), found.rejects) == (count, [])


def test_ids_come_from_the_place() -> None:
    """Records without an id get theirs from topic, partition, offset, item and content: the same each time they come,
    and others elsewhere, or where a topic was made anew.
    """

    def ids(value: bytes, place: bytes = PLACE) -> list[str]:
        return [record.event.event_id for record in message(value, place=place).events]

    value = encoded([EVENT, EVENT])
    assert ids(value) == ids(value)
    assert len(set(ids(value))) == 2
    for other in (place_of("logins", 3, 8), place_of("logins", 4, 7), place_of("login", 3, 7)):
        assert not set(ids(value, other)) & set(ids(value))
    assert not set(ids(encoded([EVENT | {"user": "bob"}]))) & set(ids(value))


def test_the_vendors_ids_do_not() -> None:
    """A record that has an id keeps it, wherever it lies."""
    value = encoded(EVENT | {"event_id": "e-1"})
    for place in (PLACE, place_of("elsewhere", 0, 0)):
        assert [record.event.event_id for record in message(value, place=place).events] == ["e-1"]


def test_a_bad_item_harms_no_other() -> None:
    """What cannot be read is rejected with its own bytes, and its neighbours are events."""
    value = b"[" + encoded(EVENT) + b', {"time": 1}, ' + encoded(EVENT) + b"]"
    found = message(value)
    assert len(found.events) == 2
    assert [(index, letter.reason, letter.raw) for index, letter in found.rejects] == [
        (1, "missing_field", b'{"time": 1}')
    ]


def test_an_envelope_may_be_larger_than_a_line() -> None:
    """Records of an envelope are taken like items of a request: each has the limit of a line to itself."""
    sign_in = {"id": "1", "createdDateTime": "2026-11-22T10:00:00Z", "userPrincipalName": "a@b"}
    records = [sign_in | {"id": str(n), "status": {"errorCode": 0}, "pad": "x" * 300_000} for n in range(5)]
    found = message(encoded({"records": records}), "entra", size=8 << 20)
    assert (len(found.events), found.rejects) == (5, [])


def test_depth_is_of_each_record() -> None:
    """A record that is nested too deeply for the setting is rejected alone, out of an envelope as well."""
    deep: Any = 1
    for _ in range(12):
        deep = [deep]
    sign_in = {"id": "1", "createdDateTime": "2026-11-22T10:00:00Z", "userPrincipalName": "a@b"}
    good = sign_in | {"status": {"errorCode": 0}}
    found = message(encoded({"records": [good, good | {"id": "2", "odd": deep}]}), "entra", depth=10)
    assert len(found.events) == 1
    assert [letter.reason for _, letter in found.rejects] == ["too_deep"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"x" * 20_001, "too_large"),
        (gzip.compress(b" " * 50_001), "too_large"),
        (gzip.compress(encoded(EVENT))[:-9], "bad_gzip"),
        (b"\x1f\x8b nonsense", "bad_gzip"),
        (encoded([EVENT] * 51), "too_many_items"),
        (encoded([[0] * 5000]), "too_many_items"),
        (b'{"time":', "bad_json"),
        (b"\xff\xfe", "bad_json"),
    ],
    ids=["large", "bomb", "cut gzip", "no gzip", "items", "array of arrays", "cut", "bytes"],
)
def test_a_message_that_cannot_be_read(value: bytes, reason: str) -> None:
    """A message that is over a limit, or nothing that can be read, is one reject with its first bytes, size and hash;
    the same one each time it comes.
    """
    ((_, letter),) = message(value).rejects
    if reason != "bad_json":
        assert letter.reason == reason
    assert letter.raw == value[:MAX_DEAD_LETTER]
    assert (letter.size, letter.received) == (len(value), NOW)
    assert message(value).rejects == [(0, letter)]


def test_a_line_that_stands_for_thousands() -> None:
    """The limit counts events, not lines."""
    repeated = FAILED.replace(b"Failed", b"message repeated 60 times: [ Failed") + b"]"
    ((_, letter),) = message(repeated, "sshd").rejects
    assert letter.reason == "too_many_items"
