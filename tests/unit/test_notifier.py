"""The notifier's loop: what waits is known, also while nothing can be relayed."""

from __future__ import annotations

import threading
from typing import Any

from gatewatch import metrics
from gatewatch.bootstrap import Relaying
from gatewatch.health_ports import Lane, Ownership
from gatewatch.notifier import Notifier
from gatewatch.ports import Unavailable


class Stop(threading.Event):
    """Is set at the first wait, which takes no time."""

    def wait(self, timeout: float | None = None) -> bool:
        """Stop."""
        del timeout
        self.set()
        return True


class Away:
    """A relay, and an upkeep, whose brokers are away."""

    def turn(self) -> int:
        """Fail."""
        raise Unavailable("Kafka is away")

    __call__ = turn


class Pipeline:
    """What a database that is there knows."""

    def lanes(self) -> list[Lane]:
        """A message that waits."""
        return [Lane(3, 7, 120.0)]

    def owned(self) -> dict[Ownership, int]:
        """Nobody reads anything."""
        return {"alive": 0, "expired": 0, "none": 4}


def test_what_waits_is_told_while_brokers_are_away() -> None:
    """While Kafka is away the age of what waits, and that nobody reads the log, are measured: alerts hang on both."""
    away: Any = Away()
    pipeline: Any = Pipeline()
    Notifier(Relaying(away, away, pipeline, lambda: None), Stop()).run()
    (age,) = metrics.OUTBOX_AGE.collector.collect()
    assert [(one.labels, one.value) for one in age.samples] == [({"lane": "3"}, 120.0)]
    (owned,) = metrics.OWNERSHIP.collector.collect()
    assert {one.labels["ownership"]: one.value for one in owned.samples} == {
        "alive": 0,
        "expired": 0,
        "none": 4,
    }
