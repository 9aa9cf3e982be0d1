"""The schema is made once, whoever asks how often."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from gatewatch.adapters.postgres.migrations import MigrationError, available, migrate
from tests.support.servers import DatabaseServer


@pytest.mark.postgres15
def test_a_second_migration_does_nothing(database: str) -> None:
    """A migrated database is left as it is."""
    assert migrate(database) == []


def test_an_edited_migration_is_refused(database: str) -> None:
    """A migration that was edited after it ran is named, and nothing runs."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE schema_migrations SET digest = 'other'")
    with pytest.raises(MigrationError, match=available()[0].name):
        migrate(database)


def test_a_newer_database_is_refused(database: str) -> None:
    """A database that a later version migrated is not touched."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO schema_migrations (name, digest) VALUES ('9999_later', '')")
    with pytest.raises(MigrationError, match="9999_later"):
        migrate(database)


def test_two_migrators_at_once(postgres: DatabaseServer) -> None:
    """Of two that start together one makes the schema, the other finds it made."""
    with postgres.fresh() as conninfo, ThreadPoolExecutor(2) as pool:
        found = sorted(pool.map(lambda _: migrate(conninfo), range(2)))
    assert found == [[], [m.name for m in available()]]
