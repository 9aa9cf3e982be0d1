"""Gzip from strangers, and the quota of dead letters."""

from __future__ import annotations

import gzip
import time

import pytest
from starlette.datastructures import Headers

from gatewatch.api.problems import Problem
from gatewatch.api.quota import Quota
from gatewatch.api.unpacking import Packing, packing, unpacked
from gatewatch.core.times import HOUR


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_gzip_is_unpacked_to_the_last_byte(size: int) -> None:
    """A body comes out as it went in, from one member or several, up to exactly the limit."""
    data = bytes(i % 251 for i in range(size))
    assert unpacked(gzip.compress(data), size) == data
    assert unpacked(gzip.compress(data[:10]) + gzip.compress(data[10:]), size) == data


def test_a_bomb_is_stopped_at_the_limit() -> None:
    """A body that unpacks to more than is allowed is refused, and no more than that is ever held."""
    for bomb in (gzip.compress(bytes(64 << 20)), gzip.compress(b"aa") * 20_000):
        with pytest.raises(Problem) as found:
            unpacked(bomb, 30_000)
        assert found.value.code == "body_too_large"


def test_many_empty_members_cost_little() -> None:
    """A megabyte of gzip that holds nothing is read in a moment."""
    began = time.process_time()
    assert unpacked(gzip.compress(b"") * 50_000, 10) == b""
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"\x1f\x8b",
        gzip.compress(b"x" * 99, mtime=0)[:-1],
        gzip.compress(b"x", mtime=0) + b"y",
        b"\x1f\x8b\x08" + b"\xff" * 40,
    ],
)
def test_what_is_no_gzip_is_said_to_be_none(body: bytes) -> None:
    """A body that is not gzip, cut short or spoilt is the client's mistake."""
    with pytest.raises(Problem) as found:
        unpacked(body, 1_000)
    assert found.value.code == "bad_encoding"


@pytest.mark.parametrize(
    ("headers", "text", "expected"),
    [
        ({}, False, Packing(False, False)),
        ({"content-type": "application/json; charset=utf-8"}, False, Packing(False, False)),
        ({"content-type": "Application/X-NDJSON", "content-encoding": "gzip"}, False, Packing(True, True)),
        ({"content-type": "application/cloudevents-batch+json"}, False, Packing(False, False)),
        ({"content-type": "text/plain"}, True, Packing(False, False)),
        ({"content-type": "text/plain"}, False, None),
        ({"content-type": "application/msgpack"}, True, None),
        ({"content-type": "application/x-www-form-urlencoded"}, False, None),
        ({"content-encoding": "br"}, False, None),
        ({"content-encoding": "gzip, gzip"}, False, None),
    ],
)
def test_how_a_body_is_written_is_said_by_its_headers(
    headers: dict[str, str], text: bool, expected: Packing | None
) -> None:
    """What is understood is read, anything else is 415 with what would be."""
    if expected is not None:
        assert packing(Headers(headers), text=text) == expected
        return
    with pytest.raises(Problem) as found:
        packing(Headers(headers), text=text)
    assert found.value.code == "unsupported_media_type"
    assert found.value.headers


def test_a_quota_is_each_callers_own_and_renews_hourly() -> None:
    """What one caller used up, another still has; the next hour begins anew."""
    quota = Quota(10)
    assert [quota.take("a", 6, 0), quota.take("a", 6, 1), quota.take("a", 6, 2)] == [6, 4, 0]
    assert quota.take("b", 6, 3) == 6
    assert quota.take("a", 6, HOUR) == 6
