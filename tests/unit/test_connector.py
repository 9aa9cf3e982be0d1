"""The connector's loop: it waits as long as it must, says so, and leaves in order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatewatch import metrics
from gatewatch.bootstrap import Connected
from gatewatch.connecting_ports import Message
from gatewatch.connector import MOST_BACKOFF, Connector
from gatewatch.health import WAITING, WORKING
from gatewatch.ports import Unavailable


class Stop(threading.Event):
    """Is set after so many waits, none of which takes time."""

    def __init__(self, waits: int) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._most = waits

    def wait(self, timeout: float | None = None) -> bool:
        """Remember how long somebody would have waited."""
        self.waits.append(timeout or 0.0)
        if len(self.waits) == self._most:
            self.set()
        return self.is_set()


class Topics:
    """A vendor's topics of which nothing is told but that they are kept and left."""

    def __init__(self) -> None:
        self.kept = self.closed = 0

    def take(self, limit: int, size: int) -> list[Message]:
        """Nothing."""
        del limit, size
        return []

    def keep(self) -> None:
        """Count."""
        self.kept += 1

    def done(self, messages: Sequence[Message]) -> None:
        """Nothing is."""

    def lag(self) -> dict[tuple[str, int], int]:
        """What is left."""
        return {("vendor", 3): 7}

    def close(self) -> None:
        """Count."""
        self.closed += 1


class Work:
    """Work that cannot be done until somebody says so."""

    def __init__(self, failures: int, stop: threading.Event) -> None:
        self._failures, self._stop = failures, stop

    def turn(self) -> int:
        """Fail, and in the end be the last turn."""
        self._failures -= 1
        if self._failures >= 0:
            raise Unavailable("away")
        self._stop.set()
        return 0


def run(failures: int, waits: int, heartbeat: Path) -> tuple[Stop, Topics, list[str]]:
    """Run a connector to its end."""
    stop, topics, reset = Stop(waits), Topics(), list[str]()
    work: Any = Work(failures, stop)
    Connector(Connected(work, topics, lambda: reset.append("reset")), stop, str(heartbeat)).run()
    return stop, topics, reset


def test_an_outage_may_last(tmp_path: Path) -> None:
    """However long the log is away, the connector waits with bounded pauses and remains a member; then it leaves the
    group and closes the log.
    """
    heartbeat = tmp_path / "heartbeat"
    stop, topics, reset = run(10_000, 3_000, heartbeat)
    assert max(stop.waits) == MOST_BACKOFF
    assert stop.waits[0] < 0.2
    assert topics.kept == 3_000
    assert (topics.closed, reset) == (1, ["reset"])
    assert heartbeat.read_text() == WAITING
    assert _waiting() == 1


def test_it_goes_on(tmp_path: Path) -> None:
    """When it can work again it does, and says so; how far it is behind is known meanwhile."""
    heartbeat = tmp_path / "heartbeat"
    stop, topics, _ = run(5, 100, heartbeat)
    assert len(stop.waits) == topics.kept == 5
    assert heartbeat.read_text() == WORKING
    assert _waiting() == 0
    (family,) = metrics.CONNECTOR_LAG.collector.collect()
    assert [(sample.labels, sample.value) for sample in family.samples] == [
        ({"topic": "vendor", "partition": "3"}, 7.0)
    ]


def _waiting() -> float:
    (family,) = metrics.CONNECTOR_WAITING.collector.collect()
    return family.samples[0].value
