"""Fixtures of the tests of the heart."""

from collections.abc import Iterator

import pytest

from tests.integration.heart.rig import Heart


@pytest.fixture
def heart(database: str) -> Iterator[Heart]:
    """The heart on a fresh database with four partitions."""
    heart = Heart(database)
    yield heart
    heart.close()
