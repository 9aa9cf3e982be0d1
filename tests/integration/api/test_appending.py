"""Requests that share an append: each is told its own fate."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from psycopg.conninfo import make_conninfo

from gatewatch.adapters.postgres.log import PostgresLog
from gatewatch.api import appending
from gatewatch.api.appending import Appender
from gatewatch.api.problems import Problem
from gatewatch.ports import BadData, Unavailable
from tests.integration.api.conftest import Api

Requests = Sequence[Sequence[tuple[str, bytes]]]


def appended(conninfo: str, *rounds: Requests) -> list[list[BaseException | None]]:
    """What each request is told, round after round, the requests of a round at once."""

    async def run() -> list[list[BaseException | None]]:
        log = PostgresLog(conninfo, role="gatewatch_app")
        appender = Appender(log)
        try:
            return [
                await asyncio.gather(
                    *(appender.append(records) for records in requests), return_exceptions=True
                )
                for requests in rounds
            ]
        finally:
            appender.close()
            log.close()

    return asyncio.run(run())


def keys(api: Api) -> list[str]:
    """What lies in the log."""
    return sorted(key for (key,) in api.rows("SELECT key FROM event_log"))


def test_what_the_log_refuses_harms_no_other_request(api: Api) -> None:
    """Of several requests in one append the one with a value that cannot be stored fails alone."""
    good, bad = [("acme:a", b"1")], [("acme:b", b"2"), ("acme:\0", b"3")]
    (told,) = appended(api.conninfo, [good, bad, good])
    assert [type(found) for found in told] == [type(None), BadData, type(None)]
    assert keys(api) == ["acme:a", "acme:a"]


def test_a_request_of_thousands_and_many_of_one(api: Api) -> None:
    """Whatever the sizes, each request is durable when it is told so, and its records keep their order."""
    large = [(f"acme:l{n:05}", b"%d" % n) for n in range(2_500)]
    (told,) = appended(api.conninfo, [large, *([(f"acme:s{n}", b"x")] for n in range(50))])
    assert told == [None] * 51
    assert len(keys(api)) == 2_550


def test_where_nothing_can_be_appended_everybody_hears_of_it(api: Api) -> None:
    """All requests of a group that could not be stored fail, and none waits for ever."""
    away = make_conninfo(api.conninfo, host="127.0.0.1", port=1)
    for told in appended(away, [[("k", b"1")]] * 5, [[("k", b"2")]] * 5):
        assert [type(found) for found in told] == [Unavailable] * 5


def test_what_would_wait_too_long_is_sent_away(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where too many bytes wait already a request is told to come again; afterwards there is room."""
    monkeypatch.setattr(appending, "MOST_WAITING", 10)
    first, second = appended(
        api.conninfo, [[("acme:a", b"123456")], [("acme:b", b"1")]], [[("acme:c", b"1")]]
    )
    assert first[0] is None
    assert isinstance(first[1], Problem)
    assert (first[1].code, second) == ("overloaded", [None])
    assert keys(api) == ["acme:a", "acme:c"]
