"""The client against the real API: decisions, reports, events, and what it raises."""

from __future__ import annotations

import asyncio
import textwrap
from datetime import UTC, datetime
from typing import Any

import pytest

from gatewatch.client import AsyncClient, Client, Context, Decision, Login, Refused, User
from gatewatch.core.records import EventRecord, decode
from tests.integration.api.conftest import Api
from tests.support.servers import ROOT

USER, CONTEXT = User(id="u1", name="alice"), Context(ip="192.0.2.10", user_agent="x", device_id="d")


def events(api: Api) -> list[tuple[str, str]]:
    """(id, outcome) of the events in the log."""
    found = [decode(bytes(value)) for (value,) in api.rows("SELECT value FROM event_log ORDER BY part, off")]
    return [(r.event.event_id, r.event.outcome) for r in found if isinstance(r, EventRecord)]


def test_decide_report_and_send(api: Api, url: str) -> None:
    """A login is decided on, its results are told, and other logins are sent; each lies in the log as it was said."""
    login = Login("attempted", USER, CONTEXT, stage="pre_auth")
    with Client(url, api.key("decide", "ingest"), failover="raise", timeout=60) as client:
        decision = client.decide(login)
        assert client.decide(login) == decision
        assert (decision.action, decision.failover, decision.event_id) == ("allow", False, login.event_id)
        assert [reason.code for reason in decision.reasons] == ["first_login", "no_geo"]
        assert client.decide(Login("success", USER, CONTEXT), dry_run=True).decision_id is None
        client.report_challenge(decision, "passed")
        outcome = client.report_login(decision, "success")
        assert outcome is not None
        assert (outcome.login, outcome.challenge) == ("success", "passed")
        sent = Login(
            "failure", USER, CONTEXT, "bad_credentials", occurred_at=datetime(2026, 3, 2, tzinfo=UTC)
        )
        assert client.send([sent]).accepted == 1
    assert events(api) == [
        (login.event_id, "unknown"),
        (f"{decision.decision_id}-login", "success"),
        (sent.event_id, "failure"),
    ]


def test_awaiting(api: Api, url: str) -> None:
    """The client that awaits does the same; twenty logins at once are twenty decisions."""

    async def work() -> list[Decision]:
        async with AsyncClient(url, api.key("decide"), failover="raise", timeout=60) as client:
            logins = [Login("success", USER, CONTEXT) for _ in range(20)]
            found = await asyncio.gather(*map(client.decide, logins))
            await client.report_login(found[0], "failure", reason="mfa_denied")
            return [*found]

    decisions = asyncio.run(work())
    assert len({decision.decision_id for decision in decisions}) == 20
    assert len(events(api)) == 21


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"context": Context(ip="nowhere")}, 422, "invalid"),
        ({"outcome": "failure"}, 409, "conflict"),
    ],
)
def test_what_the_api_refuses_is_raised(
    api: Api, url: str, change: dict[str, Any], status: int, code: str
) -> None:
    """A wrong login or another body under an id is raised with the API's own words."""
    base: dict[str, Any] = {"outcome": "success", "user": USER, "context": CONTEXT, "event_id": "e"}
    with Client(url, api.key("decide"), failover="allow", timeout=60) as client:
        client.decide(Login(**base))
        with pytest.raises(Refused) as refused:
            client.decide(Login(**{**base, **change}))
    assert (refused.value.status, refused.value.code) == (status, code)


def test_a_key_that_is_not_in_force(url: str) -> None:
    """A revoked or mistyped key is raised: a login page without protection must be noticed."""
    with (
        Client(url, "gwk_none_such", failover="allow", timeout=60) as client,
        pytest.raises(Refused) as refused,
    ):
        client.decide(Login("success", USER, CONTEXT))
    assert refused.value.status == 401


def test_the_guide_works_as_printed(api: Api, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of the guide asks and reports as it stands there, at another address."""
    text = (ROOT / "docs" / "howto" / "protect-a-login.md").read_text("utf-8")
    block = text.partition("    import os\n")[2].partition("\n\n- Make one client")[0]
    code = textwrap.dedent("    import os\n" + block).replace("https://gatewatch.example.org", url)
    monkeypatch.setenv("GATEWATCH_KEY", api.key("decide"))
    told: dict[str, Any] = {}
    exec(compile(code, "protect-a-login.md", "exec"), told)
    told["gatewatch"].close()
    assert told["decision"].action == "allow"
    assert len(events(api)) == 1
