"""What every request meets: names, base path, proxies, problems, the gate."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.requests import HTTPConnection, Request
from starlette.routing import Mount, Route

from gatewatch import logs
from gatewatch.access_ports import Principal
from gatewatch.api import app as application
from gatewatch.api.app import build
from gatewatch.api.dependencies import Caller
from gatewatch.api.gate import Unlisted, guarded
from gatewatch.api.problems import KINDS, Problem
from gatewatch.api.table import ROUTES
from gatewatch.bootstrap import Serving
from gatewatch.ports import Unavailable
from gatewatch.settings import Settings, read
from tests.support.http import problem, served, spoken

SECRET = "correct horse battery staple"
router = APIRouter()


class Form(BaseModel):
    """A body."""

    password: int


@router.get("/fails")
async def fails() -> None:
    """A mistake of ours that holds a secret."""
    raise RuntimeError(SECRET)


@router.get("/away")
async def away() -> None:
    """The database is away."""
    raise Unavailable(SECRET)


@router.post("/form")
async def form(given: Form) -> int:
    """Takes a body."""
    return given.password


@router.get("/where")
async def where(request: Request, caller: Caller) -> dict[str, Any]:
    """What the app takes for the client, its scheme and its caller."""
    assert request.client is not None
    return {"client": request.client.host, "scheme": request.url.scheme, "subject": caller.subject}


TABLE = {"GET /fails": "public", "GET /away": "public", "POST /form": "public", "GET /where": "read"}


async def reader(connection: HTTPConnection) -> Principal | None:
    """Whoever says so may read."""
    may = frozenset[Any](connection.headers.get("x-may", "").split())
    return Principal("acme", "key:k", may) if "x-may" in connection.headers else None


def serving(failing: bool = False) -> Serving:
    """A process without a database."""

    def ready() -> None:
        if failing:
            raise Unavailable(SECRET)

    def queries(tenant: str) -> Any:
        raise AssertionError(tenant)

    nobody: Any = None
    return Serving(
        ready,
        nobody,
        nobody,
        queries,
        queries,
        queries,
        queries,
        lambda: nobody,
        nobody,
        nobody,
        lambda: None,
    )


@pytest.fixture(autouse=True)
def told() -> Iterator[io.StringIO]:
    """What is logged, as a process logs it."""
    file = io.StringIO()
    logs.configure("info", "api")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file), cache_logger_on_first_use=False)
    yield file
    structlog.reset_defaults()


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Builds an app with the routes above."""
    monkeypatch.setitem(application.SERVED, "query", [router.routes])
    for row, needs in TABLE.items():
        monkeypatch.setitem(ROUTES, row, needs)

    def made(failing: bool = False, **environment: str) -> FastAPI:
        settings = read({f"GATEWATCH_{name.upper()}": value for name, value in environment.items()})
        return build(settings, serving(failing), authenticate=reader)

    return made


@pytest.fixture
def url(make: Any) -> Iterator[str]:
    """The app over a socket."""
    with served(make()) as found:
        yield found


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nothing", "not_found"),
        ("POST", "/fails", "method_not_allowed"),
        ("OPTIONS", "/fails", "method_not_allowed"),
        ("GET", "/fails", "internal"),
        ("GET", "/away", "unavailable"),
        ("GET", "/docs", "not_found"),
        ("GET", "/redoc", "not_found"),
        ("GET", "/openapi.json", "unauthenticated"),
        ("GET", "/healthz/", "not_found"),
    ],
)
def test_every_error_is_a_problem_that_tells_nothing(url: str, method: str, path: str, code: str) -> None:
    """Whatever goes wrong is answered as RFC 9457, and what went wrong inside stays inside."""
    found = httpx.request(method, url + path)
    assert problem(found)["code"] == code
    assert SECRET not in found.text
    assert "Traceback" not in found.text


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/session", "DELETE, GET, POST"),
        ("/v1/events", "GET, POST"),
        ("/v1/anomalies/statuses", "POST"),
        (f"/v1/anomalies/{'0' * 32}", "GET, PATCH"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(path: str, methods: str) -> None:
    """`Allow` names every method of the path, however many routes it has."""
    with served(build(Settings(), serving(), ["ingest", "query"])) as url:
        found = httpx.request("TRACE", url + path)
    assert problem(found)["code"] == "method_not_allowed"
    assert found.headers["allow"] == methods


def test_what_can_be_tried_again_says_when(url: str) -> None:
    """A database that is away is 503 with Retry-After."""
    found = httpx.get(f"{url}/away")
    assert (found.status_code, int(found.headers["retry-after"]) > 0) == (503, True)


def test_a_failure_is_logged_once_without_its_request(url: str, told: io.StringIO) -> None:
    """The log has the traceback of what nobody expected, and neither headers nor query of who asked."""
    httpx.get(f"{url}/fails?token=sesame", headers={"Authorization": "Bearer gwk_a_b", "Cookie": "a=sesame"})
    assert told.getvalue().count("request failed") == 1
    assert "RuntimeError" in told.getvalue()
    assert "sesame" not in told.getvalue()
    assert "gwk_" not in told.getvalue()


def test_what_was_sent_is_not_repeated(url: str) -> None:
    """A value that is not what it must be is named by its place; its content may be a password."""
    found = httpx.post(f"{url}/form", json={"password": SECRET})
    assert problem(found)["errors"][0]["where"] == "body.password"
    assert SECRET not in found.text


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 1_000, b"nan"])
def test_a_broken_body_is_the_clients_mistake(url: str, body: bytes) -> None:
    """A body that is no JSON is never a 5xx."""
    found = httpx.post(f"{url}/form", content=body, headers={"Content-Type": "application/json"})
    assert found.status_code in (400, 422)
    problem(found)


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_body_that_is_too_large_is_refused(url: str, chunked: bool) -> None:
    """Beyond 64 KiB an ordinary route answers 413, whether the length was declared or not."""
    body = b" " * 70_000
    found = httpx.post(
        f"{url}/form", content=iter([body]) if chunked else body, headers={"Content-Type": "application/json"}
    )
    assert problem(found)["code"] == "body_too_large"


def test_a_body_that_does_not_come_is_given_up(make: Any) -> None:
    """A client that stops in mid-body gets 408 after the time it has to send."""
    with served(make(send_seconds="0.2")) as url:
        request = b"POST /form HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        said = spoken(url, request + b"Content-Length: 10\r\n\r\n{")
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"urn:gatewatch:problem:too_slow" in said


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 404), ("127.0.0.1:9", 404), ("[::1]:80", 404), ("evil.example", 400), ("", 400)],
)
def test_only_known_names_are_answered(url: str, host: str, status: int) -> None:
    """A name that is not on the list is refused (DNS rebinding); the machine's own are always on it."""
    found = httpx.get(f"{url}/nothing", headers={"Host": host})
    assert found.status_code == status
    assert problem(found)["code"] == ("wrong_host" if status == 400 else "not_found")


def test_names_can_be_added(make: Any) -> None:
    """The public URL's host and the allowed ones are answered; a star stands for all below, not for the name itself."""
    app = make(public_url="https://Gate.example/gw", allowed_hosts="a.example, *.b.example")
    with served(app) as url:
        for host, status in {
            "gate.example": 404,
            "A.EXAMPLE": 404,
            "x.b.example": 404,
            "b.example": 400,
            "xb.example": 400,
        }.items():
            assert httpx.get(f"{url}/nothing", headers={"Host": host}).status_code == status, host


def test_probes_are_answered_under_any_name(url: str) -> None:
    """A probe knows an address only, and learns nothing."""
    found = httpx.get(f"{url}/healthz", headers={"Host": "10.0.0.7"})
    assert (found.status_code, found.json()) == (200, {"status": "ok"})


def test_readiness_tells_no_details(make: Any) -> None:
    """A process whose database is away is alive and not ready, and does not say why."""
    with served(make(failing=True)) as url:
        assert httpx.get(f"{url}/healthz").status_code == 200
        found = httpx.get(f"{url}/readyz")
    assert problem(found)["code"] == "unavailable"
    assert SECRET not in found.text


def test_a_base_path_may_be_stripped_or_not(make: Any) -> None:
    """Behind a proxy the same routes answer with the base path before them and without."""
    with served(make(public_url="https://gate.example/gw")) as url:
        assert httpx.get(f"{url}/gw/healthz").status_code == 200
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert httpx.get(f"{url}/gwx/healthz").status_code == 404
        document = httpx.get(f"{url}/gw/openapi.json", headers={"X-May": "read"}).json()
    assert document["servers"] == [{"url": "/gw"}]


FORWARDED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-May": "read"}


def test_nobody_may_forward_by_default(url: str) -> None:
    """Without trusted proxies the peer is the client, whatever the headers say."""
    found = httpx.get(f"{url}/where", headers=FORWARDED).json()
    assert (found["client"], found["scheme"]) == ("127.0.0.1", "http")


@pytest.mark.parametrize(("proxies", "client"), [("127.0.0.0/8", "203.0.113.9"), ("10.0.0.1", "127.0.0.1")])
def test_a_trusted_proxy_is_believed(make: Any, proxies: str, client: str) -> None:
    """X-Forwarded-For counts from a proxy on the list, and from nobody else."""
    with served(make(trusted_proxies=proxies)) as url:
        assert httpx.get(f"{url}/where", headers=FORWARDED).json()["client"] == client


def test_what_a_client_puts_before_a_proxy_is_not_believed(make: Any) -> None:
    """Of several forwarded addresses the one that the trusted proxy saw counts."""
    with served(make(trusted_proxies="127.0.0.1")) as url:
        headers = {**FORWARDED, "X-Forwarded-For": "192.0.2.1, 203.0.113.9"}
        assert httpx.get(f"{url}/where", headers=headers).json()["client"] == "203.0.113.9"


def test_every_answer_is_for_nobody_elses_eyes(url: str) -> None:
    """Answers are not stored, framed or sniffed, and the server does not say what it is."""
    for path in ("/healthz", "/nothing", "/fails"):
        headers = httpx.get(url + path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers


# The gate ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"X-May": "ingest triage"}, 403), ({"X-May": "read"}, 200)],
)
def test_the_table_decides_who_may(url: str, headers: dict[str, str], status: int) -> None:
    """No credential is 401, one without the permission 403."""
    found = httpx.get(f"{url}/where", headers=headers)
    assert found.status_code == status
    if status == 401:
        assert found.headers["www-authenticate"] == "Bearer"


def test_a_session_is_not_a_key(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is for a person's session refuses an API key, whatever that may."""
    monkeypatch.setitem(ROUTES, "GET /where", "session")
    with served(make()) as url:
        assert httpx.get(f"{url}/where", headers={"X-May": "read admin"}).status_code == 403


async def plain(request: Request) -> None:
    """Never reached."""
    del request


@pytest.mark.parametrize(
    ("route", "table"),
    [
        (Route("/x", plain), {}),
        (Route("/x", plain, methods=["GET", "POST"]), {"GET /x": "read"}),
        (Route("/x", plain, methods=["GET", "POST"]), {"GET /x": "read", "POST /x": "admin"}),
        (Mount("/x", routes=[Route("/y", plain)]), {"GET /x": "read"}),
    ],
    ids=["no row", "one of two", "two answers", "no plain route"],
)
def test_a_route_without_a_row_stops_the_start(route: Any, table: Any) -> None:
    """Nothing is served that the table does not answer for."""
    with pytest.raises(Unlisted):
        list(guarded([route], table, reader, 30.0, {}))


def test_the_table_has_no_stale_row() -> None:
    """Each row belongs to a route that is served when everything is."""
    routes = build(Settings(), serving()).routes
    assert set(ROUTES) == {
        f"{method} {route.path}"
        for route in routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }


def test_every_kind_of_problem_has_its_status() -> None:
    """A problem's status is its code's."""
    for code, kind in KINDS.items():
        assert Problem(code).status_code == kind.status
        assert 400 <= kind.status < 600
