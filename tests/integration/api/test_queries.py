"""The query API over HTTP: lists and their pages, one of everything, overviews, and parameters of strangers."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from gatewatch.core.events import User
from gatewatch.core.policy import DEFAULT
from gatewatch.core.times import DAY, HOUR, MINUTE, isoformat
from gatewatch.ports import LOGINS
from tests.builders import ABROAD, AWAY_IP, HOME_IP, LAGOS, SAFARI, START, burst, daily, login
from tests.conftest import migrated_template
from tests.integration.api.conftest import Api, bearer
from tests.integration.heart.rig import Heart
from tests.support.http import problem
from tests.support.servers import DatabaseServer

RANGE = {"since": isoformat(START - DAY), "until": isoformat(START + 40 * DAY)}
LATE = START + 30 * DAY
STRANGE: dict[str, Any] = {"ip": AWAY_IP, "geo": LAGOS, "asn": ABROAD, "ua": SAFARI}
NAME = "host/web.example.org@EXAMPLE"
LISTS = ["events", "anomalies", "users", "dead-letters"]


@pytest.fixture(scope="module")
def world(postgres: DatabaseServer, templates: dict[str, str]) -> Iterator[tuple[Api, str]]:
    """One database and process for all tests, with a month of logins: alice's, an attack on her from afar, somebody
    with an odd name, a record that cannot be read.
    """
    if postgres.conninfo not in templates:
        templates[postgres.conninfo] = migrated_template(postgres)
    with postgres.fresh(templates[postgres.conninfo]) as conninfo:
        api = Api(conninfo)
        heart = Heart(conninfo, clock=LATE + DAY)
        heart.take(*daily(30), *burst(20, LATE + HOUR, ip=AWAY_IP, geo=LAGOS))
        heart.take(login(LATE + 2 * HOUR, user=NAME, event_id="a/b c"), login(LATE, tenant_id="other"))
        heart.put(0, ("acme:x", b"\xff\x00"))
        heart.settle()
        heart.close()
        with api.process() as url:
            yield api, url


@pytest.fixture(scope="module")
def client(world: tuple[Api, str]) -> Iterator[httpx.Client]:
    """A program that may read."""
    api, url = world
    with httpx.Client(base_url=f"{url}/v1", headers=bearer(api.key("read"))) as client:
        yield client


def get(client: httpx.Client, path: str, **parameters: Any) -> Any:
    """What an answer holds that must be good."""
    found = client.get(path, params=parameters)
    assert found.status_code == 200, found.text
    return found.json()


def items(client: httpx.Client, path: str, **parameters: Any) -> list[dict[str, Any]]:
    """The rows of all pages of a list."""
    rows: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = get(client, path, **RANGE, cursor=cursor, **parameters)
        rows += page["items"]
        cursor = page["next"]
    return rows


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 51),
        ({"user": "Alice"}, 50),
        ({"user": NAME.lower()}, 1),
        ({"ip": AWAY_IP}, 20),
        ({"prefix": "198.51.100.0/24"}, 20),
        ({"prefix": "198.51.0.0/16"}, 20),
        ({"prefix": "192.0.2.8/30"}, 31),
        ({"asn": 64_512}, 51),
        ({"country": "ng"}, 20),
        ({"outcome": "success"}, 31),
        ({"outcome": "challenge"}, 0),
        ({"min_score": 101 - 1}, 0),
        ({"min_score": 0}, 51),
        ({"user": "'; DROP TABLE login_events; --"}, 0),
        ({"user": "<script>alert(1)</script>"}, 0),
        ({"user": "alice", "ip": AWAY_IP, "outcome": "failure", "country": "NG"}, 20),
    ],
    ids=str,
)
def test_events_by_filter(client: httpx.Client, wanted: dict[str, Any], count: int) -> None:
    """Each filter, and several together, give the events that match, over all pages and each once."""
    rows = items(client, "/events", limit=7, **wanted)
    assert len(rows) == len({row["event_id"] for row in rows}) == count
    assert rows == sorted(rows, key=lambda row: (row["time"], row["event_id"]), reverse=True)


def test_events_by_what_stood_out(client: httpx.Client) -> None:
    """Filters by detector and score give the events with that signal and at least that score."""
    flagged = items(client, "/events", detector="brute_force")
    assert flagged
    assert all("brute_force" in row["detectors"] and row["why"] for row in flagged)
    least = max(row["score"] for row in flagged)
    assert {row["score"] >= least for row in items(client, "/events", min_score=least)} == {True}


def test_a_list_is_of_the_last_day(client: httpx.Client) -> None:
    """Without a range a list ends now and begins 24 hours ago: this world lies in the past."""
    assert get(client, "/events")["items"] == []


@pytest.mark.parametrize("name", LISTS)
def test_every_list_says_its_range_and_its_end(client: httpx.Client, name: str) -> None:
    """A list tells the range it looked at; its last page has no cursor."""
    page = get(client, f"/{name}", **RANGE, limit=100)
    assert (page["since"], page["until"], page["next"]) == (RANGE["since"], RANGE["until"], None)


def test_an_event_explains_itself(client: httpx.Client) -> None:
    """An event comes with its reasons, which add up to its score, its context, and the anomalies it stands for."""
    worst = max(items(client, "/events", detector="brute_force"), key=lambda row: row["score"])
    found = get(client, f"/events/{worst['event_id']}")
    assert found["event"] == worst
    assert sum(reason["points"] for reason in found["reasons"]) == worst["score"]
    assert found["context"]["ip"]
    assert found["original"]["event_id"] == worst["event_id"]


def test_names_with_slashes(client: httpx.Client) -> None:
    """An event's id, a user and a prefix may hold slashes, escaped or not."""
    assert get(client, "/events/a/b%20c")["event"]["user"] == NAME
    assert get(client, "/events/a%2Fb%20c")["event"]["event_id"] == "a/b c"
    assert get(client, f"/users/{NAME}")["known"] is True
    assert get(client, "/entities/prefix/198.51.100.0/24", **RANGE)["value"] == "198.51.100.0/24"


def test_a_user(client: httpx.Client) -> None:
    """A user comes with baseline, timeline and anomalies."""
    found = get(client, "/users/alice")
    assert found["usual"]["country"][0]["value"] == "NO"
    assert found["events"][0]["ip"] == AWAY_IP
    assert {anomaly["subject"] for anomaly in found["anomalies"]} == {"alice"}
    hours = {int(hour["value"]): hour["weight"] for hour in found["usual"]["hour"]}
    assert sum(hours.values()) > 20
    assert all(0 <= hour < 168 for hour in hours)


def test_what_is_on_probation(api: Api, url: str) -> None:
    """A login on probation comes with when that ends and what it would be known by; the latest is first."""
    heart = Heart(api.conninfo, clock=LATE + DAY)
    heart.take(*daily(30), *(login(LATE + n * MINUTE, **STRANGE) for n in range(2)))
    heart.close()
    answer = httpx.get(f"{url}/v1/users/alice", headers=bearer(api.key("read")))
    newest, oldest = answer.json()["held"]
    assert newest["time"] > oldest["time"]
    assert (newest["values"]["country"], newest["values"]["ip"]) == ("NG", AWAY_IP)
    assert newest["until"] == isoformat(LATE + MINUTE + DEFAULT.probation)
    assert (newest["revoked"], newest["weight"]) == (False, 0.1)


def test_a_user_without_a_name(api: Api, url: str) -> None:
    """Somebody known by an id alone is found by it as it is, and a name in any case: page, logins and anomalies."""
    heart = Heart(api.conninfo, clock=LATE + DAY)
    by_id = User(id="U-7")
    logins = [*daily(30), *burst(20, LATE + HOUR, ip=AWAY_IP, geo=LAGOS)]
    heart.take(*(msgspec.structs.replace(event, user=by_id) for event in logins))
    heart.take(login(LATE + 2 * HOUR, user="Bob"))
    heart.close()
    with httpx.Client(base_url=f"{url}/v1", headers=bearer(api.key("read"))) as client:
        assert get(client, "/users/U-7")["user_key"] == "U-7"
        assert get(client, "/users/BOB")["user_key"] == "bob"
        assert client.get("/users/u-7").status_code == 404
        assert {row["user"] for row in items(client, "/events", user=" U-7 ")} == {"U-7"}
        assert len(items(client, "/events", user="BOB")) == 1
        assert items(client, "/anomalies", subject="U-7", subject_kind="user")
        assert not items(client, "/anomalies", subject="u-7")


@pytest.mark.parametrize("sort", ["risk", "last_seen"])
def test_users(client: httpx.Client, sort: str) -> None:
    """Users come by risk or by when they were seen, over pages."""
    rows = items(client, "/users", sort=sort, limit=1)
    expected = ["alice", NAME.lower()]
    assert [row["user_key"] for row in rows] == (expected if sort == "risk" else expected[::-1])


@pytest.mark.parametrize(
    ("entity", "tried"),
    [
        (f"ip/{AWAY_IP}", 20),
        ("prefix/198.51.100.77/24", 20),
        ("asn/64512", 20),
        ("country/ng", 20),
        (f"ip/{HOME_IP}", 0),
    ],
)
def test_entities(client: httpx.Client, entity: str, tried: int) -> None:
    """An address, a prefix, a network and a country come with whom they tried, in the range."""
    found = get(client, f"/entities/{entity}", **RANGE)
    assert sum(user["failures"] for user in found["tried"]) == tried
    before = {"since": RANGE["since"], "until": isoformat(START)}
    assert get(client, f"/entities/{entity}", **before)["tried"] == []
    activity = found["activity"]
    assert sum(stretch["failures"] for stretch in activity["stretches"]) == tried
    assert sum(stretch["events"] for stretch in activity["stretches"]) >= tried
    assert activity["step"] == 21_600
    assert activity["since"] <= RANGE["since"] < RANGE["until"] <= activity["until"]
    assert len(activity["stretches"]) == 41 * 4 + 1
    past = get(client, f"/entities/{entity}", **before)["activity"]["stretches"]
    assert {stretch["events"] for stretch in past} == {0}


def test_anomalies(client: httpx.Client) -> None:
    """Anomalies can be narrowed, and looked at one by one."""
    rows = items(client, "/anomalies", limit=1)
    assert rows
    assert {row["status"] for row in rows} == {"new"}
    (one,) = items(client, "/anomalies", detector="brute_force", subject_kind="user", subject="Alice")
    detail = get(client, f"/anomalies/{one['id']}")
    assert detail.pop("steps")
    assert detail == one
    assert items(client, "/anomalies", severity=["low", one["severity"]], detector="brute_force")
    assert items(client, "/anomalies", status="resolved") == []


def test_dead_letters(client: httpx.Client) -> None:
    """A dead letter shows its bytes and its reason."""
    now = {"since": isoformat(START), "limit": 5}
    (letter,) = get(client, "/dead-letters", **now)["items"]
    assert (base64.b64decode(letter["raw"]), letter["reason"]) == (b"\xff\x00", "undecodable")
    assert letter["id"].startswith(LOGINS)
    assert get(client, "/dead-letters", **now, reason="no_time")["items"] == []


def test_the_overview(client: httpx.Client) -> None:
    """Series and top lists tell when it happened and whom it concerned."""
    found = get(client, "/overview/series", **RANGE, step=86_400)
    assert len(found["stretches"]) == 42
    assert sum(stretch["events"] for stretch in found["stretches"]) == 51
    assert max(found["stretches"], key=lambda stretch: stretch["failures"])["failures"] == 20
    assert sum(stretch["anomalies"] for stretch in found["stretches"]) > 0
    assert get(client, "/overview/top/country", **RANGE, by="failures")["values"][0]["value"] == "NG"
    assert get(client, "/overview/top/ip", **RANGE)["values"][0]["value"] == AWAY_IP


def test_the_backlog(client: httpx.Client) -> None:
    """What waits for somebody is counted in the range that is asked for."""
    found = get(client, "/overview/backlog", **RANGE)
    assert sum(part["count"] for part in found["anomalies"]) == len(items(client, "/anomalies"))
    assert {part["status"] for part in found["anomalies"]} == {"new"}
    assert found["complete"] is True


def test_health(client: httpx.Client) -> None:
    """Whoever may read learns how the pipeline is doing, and which detectors are in force."""
    found = get(client, "/health")
    assert [part["part"] for part in found["partitions"]] == list(range(len(found["partitions"])))
    assert (found["unread"], found["dead_letters"]) == (0, 0)
    assert found["newest"]["event"] == isoformat(LATE + 2 * HOUR)
    assert {one["name"] for one in get(client, "/detectors")["detectors"]} >= {"brute_force", "new_device"}


def test_another_tenant_sees_nothing(world: tuple[Api, str], client: httpx.Client) -> None:
    """What is one tenant's is not there for another's key, by list or by name."""
    (event,) = items(client, "/events", user=NAME)
    (anomaly, *_) = items(client, "/anomalies")
    api, url = world
    with httpx.Client(base_url=f"{url}/v1", headers=bearer(api.key("read", tenant="third"))) as third:
        assert [items(third, f"/{name}") for name in LISTS] == [[], [], [], []]
        for path in (f"/events/{event['event_id']}", f"/anomalies/{anomaly['id']}", "/users/alice"):
            assert problem(third.get(path))["code"] == "not_found"
        nothing = get(third, f"/entities/ip/{AWAY_IP}", **RANGE)
        assert (nothing["failures"], nothing["tried"], nothing["successes"]) == (0, [], [])


@pytest.mark.parametrize(
    ("path", "parameters", "code"),
    [
        *[(f"/{name}", {"cursor": "bad!"}, "bad_request") for name in LISTS],
        *[(f"/{name}", {"since": RANGE["until"], "until": RANGE["since"]}, "bad_request") for name in LISTS],
        *[(f"/{name}", {"since": "2026-03-01T00:00:00"}, "invalid") for name in LISTS],
        *[(f"/{name}", {"since": "yesterday"}, "invalid") for name in LISTS],
        *[(f"/{name}", {"since": "1795675417"}, "invalid") for name in LISTS],
        *[(f"/{name}", {"until": "0.5"}, "invalid") for name in LISTS],
        *[(f"/{name}", {"since": "0001-01-01T00:00:00+14:00"}, "bad_request") for name in LISTS],
        *[(f"/{name}", {"until": "9999-12-31T23:59:59-14:00"}, "bad_request") for name in LISTS],
        *[(f"/{name}", {"limit": 501}, "invalid") for name in LISTS],
        ("/events", {"outcome": "maybe"}, "invalid"),
        ("/events", {"ip": "300.1.1.1"}, "bad_request"),
        ("/events", {"ip": "1.1.1.1", "prefix": "1.1.1.0/24"}, "bad_request"),
        ("/events", {"prefix": "1.1.1.0/99"}, "bad_request"),
        ("/events", {"user": "a\0b"}, "bad_request"),
        ("/events", {"asn": 1 << 40}, "invalid"),
        ("/events", {"min_score": 101}, "invalid"),
        ("/events", {"detector": "' OR 1=1"}, "invalid"),
        ("/anomalies", {"severity": "awful"}, "invalid"),
        ("/anomalies", {"status": "done"}, "invalid"),
        ("/anomalies/xyz", {}, "invalid"),
        ("/users", {"sort": "name"}, "invalid"),
        ("/users/a%00b", {}, "bad_request"),
        ("/events/a%00b", {}, "bad_request"),
        ("/users/nobody", {}, "not_found"),
        ("/events/none", {}, "not_found"),
        ("/anomalies/" + "0" * 32, {}, "not_found"),
        ("/entities/ip/nothing", {}, "bad_request"),
        ("/entities/asn/9" + "9" * 30, {}, "bad_request"),
        ("/entities/planet/mars", {}, "invalid"),
        ("/overview/series", {"step": 601}, "bad_request"),
        ("/overview/series", {**RANGE, "since": "2020-01-01T00:00:00Z", "step": 600}, "bad_request"),
        ("/overview/top/planet", {}, "invalid"),
    ],
    ids=str,
)
def test_what_cannot_be_asked(client: httpx.Client, path: str, parameters: dict[str, Any], code: str) -> None:
    """What cannot be asked is a problem that says so, never an error of ours."""
    assert problem(client.get(path, params=parameters or None))["code"] == code


def test_a_cursor_goes_on_with_its_own_list_only(client: httpx.Client) -> None:
    """A cursor of another filter, list or order is refused."""
    cursor = get(client, "/events", **RANGE, limit=1)["next"]
    assert (
        problem(client.get("/events", params={**RANGE, "cursor": cursor, "user": "alice"}))["code"]
        == "bad_request"
    )
    assert problem(client.get("/users", params={**RANGE, "cursor": cursor}))["code"] == "bad_request"
    by_risk = get(client, "/users", **RANGE, limit=1)["next"]
    other = client.get("/users", params={**RANGE, "cursor": by_risk, "sort": "last_seen"})
    assert "begin without one" in problem(other)["detail"]


def test_pages_keep_the_range_that_the_first_had(api: Api, url: str) -> None:
    """The default range of a first page, which ends now, holds for the later ones."""
    heart = Heart(api.conninfo)
    ((now,),) = heart.rows("SELECT (extract(epoch FROM now()) * 1000000)::bigint")
    heart.take(*(login(now - n * MINUTE, event_id=f"e{n}") for n in range(5)))
    heart.close()
    with httpx.Client(base_url=f"{url}/v1", headers=bearer(api.key("read"))) as client:
        first = get(client, "/events", limit=3)
        second = get(client, "/events", limit=3, cursor=first["next"])
    assert [row["event_id"] for page in (first, second) for row in page["items"]] == [
        "e0",
        "e1",
        "e2",
        "e3",
        "e4",
    ]
    assert (second["since"], second["next"]) == (first["since"], None)


def test_the_document_describes_every_route(client: httpx.Client) -> None:
    """The OpenAPI document has each route with its parameters, examples and a model of its answer."""
    document = client.get("../openapi.json").json()
    for path in ("/v1/events", "/v1/anomalies", "/v1/users", "/v1/dead-letters", "/v1/overview/series"):
        operation = document["paths"][path]["get"]
        assert {"since", "until"} <= {parameter["name"] for parameter in operation["parameters"]}
        assert "$ref" in operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert document["components"]["schemas"]["Event"]["properties"]["ip"]["examples"] == ["203.0.113.7"]
    assert "/v1/entities/{kind}/{value}" in document["paths"]


def test_a_day_is_what_it_says(client: httpx.Client) -> None:
    """A range without a beginning begins a day before its end."""
    page = get(client, "/events", until=RANGE["until"])
    assert page["since"] == isoformat(START + 39 * DAY)


def test_a_question_that_takes_too_long_is_given_up(world: tuple[Api, str]) -> None:
    """It is answered as a problem of the question, and asked again later it is answered."""
    api, _ = world
    headers = bearer(api.key("read"))
    with api.process(query_seconds="0.5") as url, psycopg.connect(api.conninfo) as busy:
        busy.execute("LOCK TABLE login_events IN ACCESS EXCLUSIVE MODE")
        found = problem(httpx.get(f"{url}/v1/events", headers=headers, timeout=30))
        assert (found["status"], found["code"]) == (503, "too_costly")
        assert "shorter time" in found["detail"]
        busy.rollback()
        assert httpx.get(f"{url}/v1/events", headers=headers).status_code == 200
