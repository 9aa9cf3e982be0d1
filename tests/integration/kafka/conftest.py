"""Fixtures of the tests on Kafka."""

from collections.abc import Iterator

import pytest

from tests.integration.kafka.rig import OnKafka


@pytest.fixture
def on_kafka(kafka: str, database: str) -> Iterator[OnKafka]:
    """Gatewatch on a fresh database, with topics of its own on the run's broker."""
    found = OnKafka(kafka, database)
    yield found
    found.close()
