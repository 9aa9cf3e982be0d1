"""Fixtures of the tests on Kafka."""

from collections.abc import Iterator

import pytest

from tests.integration.kafka.rig import OnKafka
from tests.integration.kafka.vendor import Vendor


@pytest.fixture
def on_kafka(kafka: str, database: str) -> Iterator[OnKafka]:
    """Gatewatch on a fresh database, with topics of its own on the run's broker."""
    found = OnKafka(kafka, database)
    yield found
    found.close()


@pytest.fixture
def vendor(on_kafka: OnKafka) -> Vendor:
    """A vendor with topics of four partitions."""
    return Vendor(on_kafka)
