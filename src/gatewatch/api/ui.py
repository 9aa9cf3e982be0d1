"""The web app: a public shell that holds nothing of anybody, and the files it is made of.

The shell is made anew for each request: it carries a nonce, under which Vuetify may add its theme's styles, and the
base path. Everything else is built once, has its content's digest in its name, and may be kept for ever.
"""

from __future__ import annotations

import gzip
import mimetypes
import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from gatewatch.api.problems import Problem

#: Where the build lies, inside the package.
BUILT = Path(__file__).parent / "static"
#: What the build leaves for the server to fill in.
NONCE, BASE = "GATEWATCH_NONCE", "/GATEWATCH_BASE/"

_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
_A_WHILE = {"Cache-Control": "public, max-age=3600", "Vary": "Accept-Encoding"}
_POLICY = (
    "default-src 'self'; style-src 'self' 'nonce-{nonce}'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_MISSING = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Gatewatch</title></head><body>
<h1>The web app is not built</h1>
<p>Gatewatch and its API run. This installation comes from a source checkout in which the web app was not built yet.</p>
<p>Build it with <code>python3 run.py setup</code> in the checkout, then start this process again.</p>
</body></html>
"""


class File(NamedTuple):
    """A built file: its bytes as they are and packed, and its media type."""

    plain: bytes
    packed: bytes
    media_type: str


class WebApp(NamedTuple):
    """The built app in memory: the shell's text, "" where it is not built, and the other files by their path."""

    shell: str
    files: Mapping[str, File]


@cache
def load(folder: Path = BUILT) -> WebApp:
    """Read what was built, once per process; nothing outside of it can be asked for."""
    shell = folder / "index.html"
    if not shell.is_file():
        return WebApp("", {})
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path != shell]
    # What begins with a dot is the build's own.
    files = {name.as_posix(): _file(folder / name) for name in names if not name.parts[0].startswith(".")}
    return WebApp(shell.read_text("utf-8"), files)


def _file(path: Path) -> File:
    plain = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return File(plain, gzip.compress(plain, mtime=0), media_type)


class Pages(Route):
    """Whatever path is no other route's and may be a page: the browser's own router tells which."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Only reading, and nothing below the API."""
        path = str(scope.get("path", "")).removeprefix(str(scope.get("root_path", "")))
        if scope.get("method") not in ("GET", "HEAD") or path == "/v1" or path.startswith("/v1/"):
            return Match.NONE, {}
        return super().matches(scope)


async def page(request: Request) -> Response:
    """A file of the app, else the shell. Raises a `Problem` for who asks for something else than a page."""
    app: WebApp = request.app.state.web
    path = request.path_params["path"]
    if (file := app.files.get(path)) is not None:
        return _answer(request, file, _FOREVER if path.startswith("assets/") else _A_WHILE)
    if path.startswith("assets/") or (path and "text/html" not in request.headers.get("accept", "")):
        raise Problem("not_found")
    return _shell(app.shell, request.app.state.base_path)


def _answer(request: Request, file: File, headers: Mapping[str, str]) -> Response:
    accepted = request.headers.get("accept-encoding", "")
    if "gzip" in accepted and len(file.packed) < len(file.plain):
        packed = {**headers, "Content-Encoding": "gzip"}
        return Response(file.packed, headers=packed, media_type=file.media_type)
    return Response(file.plain, headers=dict(headers), media_type=file.media_type)


def _shell(shell: str, base_path: str) -> Response:
    nonce = secrets.token_urlsafe(16)
    headers = {
        "Content-Security-Policy": _POLICY.format(nonce=nonce),
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if not shell:
        return Response(_MISSING, 503, headers, media_type="text/html")
    text = shell.replace(NONCE, nonce).replace(BASE, f"{base_path}/")
    return Response(text, headers=headers, media_type="text/html")


routes: list[BaseRoute] = [Pages("/{path:path}", page, methods=["GET"])]
