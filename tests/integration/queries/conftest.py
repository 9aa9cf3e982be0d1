"""A database full of generated rows, made once for all tests that only read it."""

from collections.abc import Iterator

import psycopg
import pytest

from gatewatch.adapters.postgres.tenancy import TenantSession
from tests.conftest import migrated_template
from tests.integration.heart.rig import Heart
from tests.integration.queries.filling import TENANT, fill
from tests.support.servers import DatabaseServer


@pytest.fixture(scope="module")
def filled(postgres: DatabaseServer, templates: dict[str, str]) -> Iterator[str]:
    """The connection string of a database with four months of events of two tenants."""
    if postgres.conninfo not in templates:
        templates[postgres.conninfo] = migrated_template(postgres)
    with postgres.fresh(templates[postgres.conninfo]) as conninfo:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            fill(connection)
        yield conninfo


@pytest.fixture
def heart(database: str) -> Iterator[Heart]:
    """The heart on a fresh database with four partitions."""
    heart = Heart(database)
    yield heart
    heart.close()


@pytest.fixture(scope="module")
def reader(filled: str) -> Iterator[TenantSession]:
    """The session of the app, as every query has it."""
    session = TenantSession(lambda: filled, TENANT)
    yield session
    session.close()
