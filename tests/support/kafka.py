"""Real brokers for tests: yours (`KAFKA_TEST_BOOTSTRAP`), or Apache Kafka as `python3 run.py kafka` fetches it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from scripts.kafka import YOURS, Broker, Unavailable
from tests.support.servers import scratch_folder


@contextlib.contextmanager
def running(more: str = "") -> Iterator[Broker]:
    """Run a broker that forgets everything; without one the test is skipped, in CI it fails."""
    with scratch_folder() as folder:
        try:
            broker = Broker(folder / "kafka", more=more)
            broker.start()
        except Unavailable as error:
            missing(error)
        try:
            yield broker
        finally:
            broker.stop()


def missing(error: Unavailable) -> None:
    """Say what is missing."""
    if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
        pytest.fail(f"Kafka: {error}")
    # A developer without Java or Maven can still run the rest; in CI it failed above.
    pytest.skip(f"Kafka: {error}; or {YOURS} names one of yours")  # with its reason on screen


@contextlib.contextmanager
def bootstrap() -> Iterator[str]:
    """Where a broker is: yours, or one that runs for as long as it is needed."""
    if yours := os.environ.get(YOURS):
        yield yours
        return
    with running() as broker:
        yield broker.bootstrap
