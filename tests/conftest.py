"""Fixtures for all tests: real PostgreSQL servers and a fresh migrated database per test.

`GATEWATCH_TEST_DATABASE_URL` names a server of your own to use instead of an embedded one; its role must be allowed
to create databases and roles. A test marked `postgres15` that asks for `database` runs on PostgreSQL 15 as well.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings

from scripts import compiled

compiled.drop_stale()

from gatewatch.adapters.postgres.server import PostgresBinaries
from scripts.kafka import Broker
from tests.support import kafka as brokers
from tests.support import postgres15 as fifteen
from tests.support.servers import LOCAL, DatabaseServer, running, scratch_folder

TESTS = Path(__file__).parent
_LONG_FIRST = {"faults": 0, "fuzz": 1, "e2e": 2, "integration": 3}

# How long an example takes says more about the machine than about the code.
settings.register_profile("gatewatch", deadline=None)
settings.load_profile("gatewatch")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes run the tests, those of a file stay together, all those in a browser, and all those on
    Kafka's one broker; long ones begin.
    """
    for item in items:
        group = "e2e" if _folder(item) == "e2e" else str(item.path)
        group = "kafka" if "kafka" in getattr(item, "fixturenames", ()) else group
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: _LONG_FIRST.get(_folder(item), len(_LONG_FIRST)))


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test marked `postgres15` on both versions."""
    if "database" in metafunc.fixturenames and metafunc.definition.get_closest_marker("postgres15"):
        metafunc.parametrize("database", ["postgres", "postgres15"], indirect=True)


@pytest.fixture(scope="session")
def postgres(templates: dict[str, str]) -> Iterator[DatabaseServer]:
    """One server per run: yours, or an embedded one that forgets everything."""
    yours = os.environ.get("GATEWATCH_TEST_DATABASE_URL")
    with running() if not yours else contextlib.nullcontext(DatabaseServer(yours, yours)) as server:
        yield server
        # On a server of yours nothing is left behind.
        if server.conninfo in templates:
            server.drop(templates[server.conninfo])


@pytest.fixture(scope="session")
def binaries15() -> PostgresBinaries:
    """PostgreSQL 15's programs; without them the group is skipped, in CI it fails."""
    try:
        return fifteen.find(LOCAL / "postgres15")
    except fifteen.Unavailable as error:
        if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
            pytest.fail(f"PostgreSQL 15: {error}")
        pytest.skip(f"PostgreSQL 15: {error}")  # a developer without it can still run the rest


@pytest.fixture(scope="session")
def postgres15(binaries15: PostgresBinaries) -> Iterator[DatabaseServer]:
    """One server of PostgreSQL 15 per run."""
    with running(binaries15) as server:
        yield server


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The address of a Kafka broker, one per run: yours, or a real one that forgets everything."""
    with brokers.bootstrap() as bootstrap:
        yield bootstrap


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker of its own for a test that stops or kills it."""
    with brokers.running() as broker:
        yield broker


@pytest.fixture(scope="session")
def templates() -> dict[str, str]:
    """The migrated template of each server, by the server's connection string."""
    return {}


@pytest.fixture
def database(request: pytest.FixtureRequest, templates: dict[str, str]) -> Iterator[str]:
    """The connection string of a fresh, migrated database that is dropped afterwards."""
    server: DatabaseServer = request.getfixturevalue(getattr(request, "param", "postgres"))
    if server.conninfo not in templates:
        templates[server.conninfo] = migrated_template(server)
    with server.fresh(templates[server.conninfo]) as conninfo:
        yield conninfo


def migrated_template(server: DatabaseServer) -> str:
    """Make a database with the whole schema, to be copied."""
    from gatewatch.adapters.postgres.migrations import migrate

    name = f"template_{uuid4().hex[:12]}"
    try:
        migrate(server.create(name))
    except BaseException:
        server.drop(name)
        raise
    return name


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder where a server can also be run by root; its servers are stopped and it is gone afterwards."""
    with scratch_folder() as folder:
        yield folder


@pytest.fixture
def postgres_empty(postgres: DatabaseServer) -> Iterator[str]:
    """The connection string of a fresh database without any table."""
    with postgres.fresh() as conninfo:
        yield conninfo
