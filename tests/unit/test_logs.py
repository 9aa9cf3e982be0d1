"""What is logged, by us and by libraries: JSON lines without the messages of exceptions."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import structlog

from gatewatch import logs
from gatewatch.adapters.postgres.connection import translated
from gatewatch.ports import BadData

SECRET = "alice@example.org"


class Told(io.StringIO):
    """Standard error, as a process has it that is no terminal's."""

    def lines(self) -> list[dict[str, Any]]:
        """What was logged."""
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """What a process logs; afterwards all is as it was."""
    file, root = Told(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    for module, hook in ((sys, "excepthook"), (threading, "excepthook")):
        monkeypatch.setattr(module, hook, getattr(module, hook))
    yield file
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def configure(told: Told, level: str = "info") -> None:
    """Have it set up as a service does."""
    logs.configure(level, "detector")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(told), cache_logger_on_first_use=False)
    logs.last_words()


def fail() -> None:
    """Fail with what was sent in the messages of two exceptions."""
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        raise RuntimeError(f"no such user: {SECRET}") from error


def test_an_exception_is_told_without_its_message(told: Told) -> None:
    """The kinds and the places of a chain are there, what the exceptions say is not."""
    configure(told)
    try:
        fail()
    except RuntimeError:
        logs.get().exception("it failed", part=3)
    (line,) = told.lines()
    assert (line["event"], line["service"], line["part"]) == ("it failed", "detector", 3)
    assert line["exception"].index("builtins.KeyError") < line["exception"].index("builtins.RuntimeError")
    assert "in fail" in line["exception"]
    assert SECRET not in told.getvalue()


def test_debugging_tells_all(told: Told) -> None:
    """At the level debug, which somebody has to ask for, the messages are there."""
    configure(told, "debug")
    try:
        fail()
    except RuntimeError:
        logs.get().exception("it failed")
    assert SECRET in told.lines()[0]["exception"]


def test_every_member_of_a_group_is_told(told: Told) -> None:
    """Of exceptions that came together each one's place is there."""
    configure(told)
    try:
        raise ExceptionGroup(SECRET, [ValueError(SECRET), TypeError(SECRET)])
    except ExceptionGroup:
        logs.get().exception("they failed")
    assert all(kind in told.lines()[0]["exception"] for kind in ("ValueError", "TypeError", "ExceptionGroup"))
    assert SECRET not in told.getvalue()


def test_libraries_are_heard_alike(told: Told) -> None:
    """A warning of a library is a line like ours, without what follows the first; what is less is not said."""
    configure(told)
    library = logging.getLogger("a.library")
    library.info("chatter")
    try:
        fail()
    except RuntimeError:
        library.exception("Task exception was never retrieved\nfuture: %s", SECRET)
    (line,) = told.lines()
    assert (line["event"], line["logger"]) == ("Task exception was never retrieved", "a.library")
    assert (line["level"], line["service"]) == ("error", "detector")
    assert SECRET not in told.getvalue()


def test_the_last_words_of_a_process(told: Told) -> None:
    """A mistake that ends a process or a thread is a line as well."""
    configure(told)
    try:
        fail()
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert [line["event"] for line in told.lines()] == ["ended by a mistake"] * 2
    assert {line["service"] for line in told.lines()} == {"detector"}
    assert SECRET not in told.getvalue()


def test_what_the_database_refuses_is_not_repeated(database: str) -> None:
    """PostgreSQL repeats the value in its message; ours names the kind of error."""
    with psycopg.connect(database) as connection:
        with pytest.raises(psycopg.DataError, match=SECRET):
            connection.execute("SELECT %s::inet", [SECRET])
        connection.rollback()
        with pytest.raises(BadData) as found, translated():
            connection.execute("SELECT %s::inet", [SECRET])
    assert str(found.value) == "InvalidTextRepresentation (22P02)"
