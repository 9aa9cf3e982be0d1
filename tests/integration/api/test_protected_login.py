"""The example application and its login, end to end: a real API, a real detector, real places."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time
from typing import Any

import httpx
import pytest

from examples.protected_login.accounts import Account, passwords_match, totp, totp_matches
from examples.protected_login.app import application
from gatewatch import bootstrap
from gatewatch.adapters.geo.build import build_mmdb
from gatewatch.client import AsyncClient, Client, Context, Failover, Login, Strategy, User
from gatewatch.core import profiles
from gatewatch.core.records import ControlRecord, EventRecord, decode
from gatewatch.services.batches import BatchMaker
from gatewatch.services.policies import set_policy
from gatewatch.settings import Settings
from tests.builders import BROADBAND, HOSTING, LAGOS, OSLO
from tests.integration.api.conftest import Api
from tests.integration.heart.rig import Heart

HOME, AWAY = "192.0.2.10", "198.51.100.77"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"
SECRET = b"12345678901234567890"
ALICE = Account.make("u1", "alice", "a long enough password", SECRET)
RIGHT = {"name": "alice", "password": "a long enough password"}


class World:
    """An API with places, a detector with the same, and the application in front of a person."""

    def __init__(self, api: Api, heart: Heart, url: str) -> None:
        self.api, self.heart, self.url = api, heart, url
        self.key = api.key("decide", "ingest")
        self.failovers: list[Failover] = []

    def enforce(self, **changes: Any) -> None:
        """Have the verdicts in force."""
        store = bootstrap.policies(self.api.conninfo, "acme")
        set_policy(store, json.dumps({"mode": "enforce", **changes}).encode(), "tests")
        store.close()

    def usual(self) -> None:
        """Let alice log in from Oslo on five days, the last time ten minutes ago; a detector learns it."""
        now = datetime.now(UTC)
        times = [now - timedelta(days=days) for days in (4, 3, 2, 1)] + [now - timedelta(minutes=10)]
        user, context = User(id="u1", name="alice"), Context(ip=HOME, user_agent=CHROME, device_id="laptop")
        logins = [Login("success", user, context, occurred_at=time) for time in times]
        with Client(self.url, self.key, failover="raise", timeout=60) as client:
            assert client.send(logins).accepted == 5
        self.heart.settle()

    @asynccontextmanager
    async def person(
        self,
        ip: str = HOME,
        device: str = "laptop",
        *,
        url: str = "",
        failover: Strategy = "raise",
        seconds: float = 60,
    ) -> Any:
        """A person's browser at the application."""
        client = AsyncClient(
            url or self.url, self.key, failover=failover, timeout=seconds, on_failover=self.failovers.append
        )
        transport = httpx.ASGITransport(application(client, {"alice": ALICE}), client=(ip, 50_000))
        browser = httpx.AsyncClient(
            transport=transport,
            base_url="http://portal",
            headers={"User-Agent": CHROME},
            cookies={"device": device},
        )
        async with client, browser:
            yield browser

    def said(self) -> Sequence[tuple[str, str]]:
        """(what, how) of the newest login and all that was told of it, in the order of the log."""
        rows = self.api.rows("SELECT value FROM event_log ORDER BY part, off")
        found = [decode(bytes(value)) for (value,) in rows]
        return [
            ("login", r.event.outcome) if isinstance(r, EventRecord) else ("challenge", r.verdict)
            for r in found
            if isinstance(r, EventRecord | ControlRecord)
        ][5:]


@pytest.fixture
def world(api: Api, tmp_path: Path) -> Iterator[World]:
    """All of it."""
    places = tmp_path / "places.mmdb"
    build_mmdb(places, [("192.0.2.0/24", OSLO, BROADBAND), ("198.51.100.0/24", LAGOS, HOSTING)])
    heart = Heart(api.conninfo)
    enrich = bootstrap.enrichment(Settings(geo_city=str(places)))
    heart.maker = BatchMaker(heart.store, heart.engine, enrich, bootstrap.read_foreign, heart.clock)
    with api.process(geo_city=str(places)) as url:
        yield World(api, heart, url)
    heart.close()


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it in an event loop."""
    asyncio.run(work())


def test_monitor_lets_everybody_in_and_says_what_it_would_do(world: World) -> None:
    """Without a change of policy a stranger's login is let in, and what would have been done is on record."""
    world.usual()

    async def work() -> None:
        async with world.person(AWAY, "stranger") as browser:
            answer = await browser.post("/login", json=RIGHT)
            assert (answer.status_code, answer.json()) == (200, {"welcome": "alice"})
            assert (await browser.get("/me")).json() == {"name": "alice"}

    run(work)
    ((answer,),) = world.api.rows("SELECT answer FROM decisions")
    given = json.loads(bytes(answer))
    assert (given["action"], given["policy"]["mode"]) == ("allow", "monitor")
    assert given["would_action"] in ("challenge", "deny")
    assert "impossible_travel" in {reason["code"] for reason in given["reasons"]}


def test_enforce_refuses_a_stranger_and_lets_the_owner_in(world: World) -> None:
    """With the right password from the other end of the world nobody gets in; alice at home does; it is told."""
    world.enforce(deny_score=60)
    world.usual()

    async def work() -> None:
        async with world.person(AWAY, "stranger") as browser:
            assert (await browser.post("/login", json=RIGHT)).status_code == 403
            assert (await browser.get("/me")).status_code == 401
        async with world.person() as browser:
            assert (await browser.post("/login", json=RIGHT)).status_code == 200

    run(work)
    assert world.said() == [("login", "success"), ("login", "failure"), ("login", "success")]


@pytest.mark.parametrize(("right", "result"), [(True, "passed"), (False, "failed")])
def test_a_challenge_is_a_second_step(world: World, right: bool, result: str) -> None:
    """A login in doubt needs a code: with the right one it goes on and is trusted, with a wrong one it ends and its
    trust is taken back.
    """
    world.enforce(deny_score=100)
    world.usual()

    async def work() -> None:
        async with world.person(AWAY, "stranger") as browser:
            asked = await browser.post("/login", json=RIGHT)
            assert (asked.status_code, asked.json()["factors"]) == (401, ["webauthn", "totp"])
            assert (await browser.get("/me")).status_code == 401
            code = totp(SECRET, time()) if right else "000000"
            step = {"login": asked.json()["login"], "code": code}
            answer = await browser.post("/challenge", json=step)
            assert answer.status_code == (200 if right else 401)
            assert (await browser.get("/me")).status_code == (200 if right else 401)
            assert (await browser.post("/challenge", json=step)).json() == {"error": "log in again"}

    run(work)
    assert world.said() == [("login", "success"), ("challenge", result)]
    world.heart.settle()
    held = profiles.decode(world.heart.store.users([("acme", "alice")])["acme", "alice"].profile).held
    assert [one.revoked for one in held] == ([] if right else [True])


def test_failures_are_told_and_nobody_gets_in_without_the_password(world: World) -> None:
    """A wrong password and an unknown name are told with their reasons; whatever the decision, they stay out."""

    async def work() -> None:
        async with world.person() as browser:
            assert (await browser.post("/login", json={**RIGHT, "password": "no"})).status_code == 401
            assert (await browser.post("/login", json={**RIGHT, "name": "mallory"})).status_code == 401
            assert (await browser.post("/login", content=b"{")).status_code == 422

    run(work)
    found = [decode(bytes(value)) for (value,) in world.api.rows("SELECT value FROM event_log")]
    reasons = sorted(str(r.event.reason_class) for r in found if isinstance(r, EventRecord))
    assert reasons == ["bad_credentials", "unknown_user"]


@pytest.mark.parametrize(("failover", "status"), [("allow", 200), ("challenge", 401), ("deny", 403)])
def test_without_gatewatch_the_login_goes_on_as_was_chosen(
    world: World, failover: Strategy, status: int
) -> None:
    """Where the API is away the strategy decides within a second and is reported; a challenge works all the same."""

    async def work() -> None:
        away = "http://127.0.0.1:1"
        async with world.person(AWAY, "stranger", url=away, failover=failover, seconds=1.0) as browser:
            began = time()
            answer = await browser.post("/login", json=RIGHT)
            assert answer.status_code == status
            assert time() - began < 3
            if failover == "challenge":
                step = {"login": answer.json()["login"], "code": totp(SECRET, time())}
                assert (await browser.post("/challenge", json=step)).status_code == 200
            assert (await browser.post("/login", json={**RIGHT, "password": "no"})).status_code == 401

    run(work)
    assert [(f.strategy, f.error.cause) for f in world.failovers] == [(failover, "unreachable")] * 2
    assert world.api.rows("SELECT count(*) FROM decisions") == [(0,)]


def test_accounts() -> None:
    """A password is its owner's alone; a code is of its time, give or take a step."""
    assert passwords_match(ALICE, RIGHT["password"])
    assert not passwords_match(ALICE, "other")
    assert not passwords_match(None, RIGHT["password"])
    assert totp(SECRET, 59) == "287082"
    assert [totp_matches(ALICE, "287082", at) for at in (30, 59, 89, 120)] == [True, True, True, False]
    assert not totp_matches(Account.make("u", "bob", "x"), totp(b"", 0), 0)
