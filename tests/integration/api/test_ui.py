"""The web app as it is served: the shell, the files, and what a browser is told about them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gatewatch import bootstrap
from gatewatch.api import ui
from gatewatch.api.app import build
from gatewatch.settings import read
from tests.integration.api.conftest import Api
from tests.support.http import problem, served

SHELL = (
    '<base href="/GATEWATCH_BASE/"><meta property="csp-nonce" nonce="GATEWATCH_NONCE">'
    '<script type="module" nonce="GATEWATCH_NONCE" src="./assets/index-1.js"></script>'
)
SCRIPT = "export const something = 'something';\n" * 20
HTML = {"Accept": "text/html,*/*;q=0.8"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a build leaves."""
    (tmp_path / "assets").mkdir()
    (tmp_path / ".vite").mkdir()
    (tmp_path / "index.html").write_text(SHELL)
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (tmp_path / "assets" / "index-1.js").write_text(SCRIPT)
    (tmp_path / ".vite" / "manifest.json").write_text("{}")
    return tmp_path


def client_of(api: Api, folder: Path, **settings: str) -> Iterator[httpx.Client]:
    """A client of a process that serves what was built in a folder."""
    app = build(read(settings), bootstrap.serving(read(settings), api.conninfo))
    app.state.web = ui.load(folder)
    with served(app) as url, httpx.Client(base_url=url, headers=HTML) as client:
        yield client


@pytest.fixture
def client(api: Api, folder: Path) -> Iterator[httpx.Client]:
    """A browser at the root of a host."""
    yield from client_of(api, folder)


@pytest.mark.parametrize("path", ["/", "/events", "/users/a%2Fb@example.org", "/entities/ip/192.0.2.1"])
def test_pages_are_the_shell(client: httpx.Client, path: str) -> None:
    """Whatever may be a page is the shell, which is kept by nobody."""
    found = client.get(path)
    assert found.status_code == 200
    assert found.headers["content-type"].startswith("text/html")
    assert found.headers["cache-control"] == "no-store"
    assert '<base href="/">' in found.text


def test_the_policy_names_the_nonce_of_the_answer(client: httpx.Client) -> None:
    """Each shell has a nonce of its own, which its policy allows for styles; inline and evaluated code never are."""
    nonces = set()
    for _ in range(2):
        found = client.get("/")
        (nonce,) = set(re.findall(r'nonce="([^"]+)"', found.text))
        policy = found.headers["content-security-policy"]
        assert policy.startswith(f"default-src 'self'; style-src 'self' 'nonce-{nonce}';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        nonces.add(nonce)
    assert len(nonces) == 2
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["referrer-policy"] == "no-referrer"


def test_files_are_kept_for_ever_and_packed(client: httpx.Client) -> None:
    """A file with a digest in its name may be kept, and comes packed to whoever takes that."""
    plain = client.get("/assets/index-1.js", headers={"Accept-Encoding": "identity"})
    assert plain.text == SCRIPT
    assert "content-encoding" not in plain.headers
    with client.stream("GET", "/assets/index-1.js", headers={"Accept-Encoding": "gzip"}) as packed:
        assert gzip.decompress(b"".join(packed.iter_raw())).decode() == SCRIPT
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    assert plain.headers["content-type"].startswith("text/javascript")
    assert "immutable" not in client.get("/favicon.svg").headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    ["/assets/gone.js", "/assets/..%2findex.html", "/assets/..%2f..%2fui.py", "/v1/nothing", "/v1"],
)
def test_what_is_no_page_is_a_problem(client: httpx.Client, path: str) -> None:
    """A file that is gone, a way out of the folder, and an unknown route are not found, also for a browser."""
    assert problem(client.get(path))["code"] == "not_found"


def test_programs_get_problems(client: httpx.Client) -> None:
    """Who does not ask for a page gets none; the build's own files are nobody's; other methods are not answered."""
    for path in ("/wp-login.php", "/.env", "/.vite/manifest.json"):
        assert problem(client.get(path, headers={"Accept": "*/*"}))["code"] == "not_found"
    assert problem(client.post("/events"))["code"] == "not_found"
    assert problem(client.delete("/healthz"))["code"] == "method_not_allowed"


def test_a_base_path(api: Api, folder: Path) -> None:
    """Under a base path the shell names it, whether the proxy strips it or not."""
    for client in client_of(
        api, folder, GATEWATCH_PUBLIC_URL="https://example.org/watch", GATEWATCH_ALLOWED_HOSTS="127.0.0.1"
    ):
        for path in ("/events", "/watch/events", "/watch/"):
            assert '<base href="/watch/">' in client.get(path).text
        assert client.get("/watch/assets/index-1.js").text == SCRIPT


def test_an_app_that_is_not_built(api: Api, tmp_path: Path) -> None:
    """A checkout whose app was not built says how to build it."""
    for client in client_of(api, tmp_path):
        found = client.get("/")
        assert found.status_code == 503
        assert "python3 run.py setup" in found.text


def test_a_process_without_it(api: Api) -> None:
    """A process that does not serve the app has no pages."""
    app = build(read({}), bootstrap.serving(read({}), api.conninfo), ["query"])
    with served(app) as url:
        assert problem(httpx.get(url, headers=HTML))["code"] == "not_found"
