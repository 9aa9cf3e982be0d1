"""The API on a real database, over a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from gatewatch import bootstrap
from gatewatch.access_ports import Permission
from gatewatch.api.app import build
from gatewatch.settings import read
from tests.integration.heart.rig import Heart
from tests.support.http import served

PASSWORD = "a long enough password"


class Api:
    """A database, what an operator does on it, and processes that serve it."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        bootstrap.prepare(conninfo, 4)

    @contextmanager
    def process(self, conninfo: str = "", **environment: str) -> Iterator[str]:
        """One process of the API; gives its URL."""
        settings = read({f"GATEWATCH_{name.upper()}": value for name, value in environment.items()})
        with served(build(settings, bootstrap.serving(settings, conninfo or self.conninfo))) as url:
            yield url

    def key(self, *scopes: Permission, tenant: str = "acme", life: timedelta | None = None) -> str:
        """Create an API key."""
        doing = bootstrap.administration(self.conninfo, tenant)
        try:
            return doing.keys.create("test", scopes, "tests", life)
        finally:
            doing.close()

    def account(self, name: str = "ada", tenant: str = "acme", *, password: str = PASSWORD) -> None:
        """Create an account."""
        doing = bootstrap.administration(self.conninfo, tenant)
        try:
            doing.accounts.create_account(name, password, ["read", "triage", "admin"])
        finally:
            doing.close()

    def administer(self, work: Callable[[Any], object], tenant: str = "acme") -> None:
        """Do something else that operators do."""
        doing = bootstrap.administration(self.conninfo, tenant)
        try:
            work(doing)
        finally:
            doing.close()

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask, or change something, as the services do."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            connection.execute("SET ROLE gatewatch_worker")
            found = connection.execute(query.encode(), values)
            return found.fetchall() if found.description else []


@pytest.fixture
def api(database: str) -> Api:
    """The database."""
    return Api(database)


@pytest.fixture
def url(api: Api) -> Iterator[str]:
    """A process that serves everything."""
    with api.process() as found:
        yield found


@pytest.fixture
def browser(api: Api, url: str) -> Iterator[httpx.Client]:
    """A browser of ada, who has logged in."""
    api.account()
    with httpx.Client(base_url=url, headers={"Origin": url}) as client:
        assert log_in(client).status_code == 200
        yield client


@pytest.fixture
def app(api: Api, url: str) -> Iterator[httpx.Client]:
    """An application with a key."""
    with httpx.Client(base_url=url, headers=bearer(api.key("ingest")), timeout=60) as client:
        yield client


@pytest.fixture
def portal(api: Api, url: str) -> Iterator[httpx.Client]:
    """An application with a key that may ask for decisions and look."""
    headers = bearer(api.key("decide", "read"))
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def heart(api: Api) -> Iterator[Heart]:
    """A detector on the same database."""
    heart = Heart(api.conninfo)
    yield heart
    heart.close()


def log_in(client: httpx.Client, name: str = "ada", password: str = PASSWORD, **more: Any) -> httpx.Response:
    """Log in."""
    return client.post("/v1/session", json={"name": name, "password": password}, **more)


def bearer(key: str) -> dict[str, str]:
    """The headers of a program with a key."""
    return {"Authorization": f"Bearer {key}"}
