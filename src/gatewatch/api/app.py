"""The application: the routes of what a process serves, each behind the gate, in one FastAPI app."""

import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Literal, get_args

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gatewatch import __version__
from gatewatch.access_ports import Principal
from gatewatch.api import (
    decisions,
    decisions_openapi,
    events,
    events_openapi,
    health,
    keys,
    queries,
    sessions,
    stream,
    system,
    triage,
    ui,
)
from gatewatch.api.appending import Appender
from gatewatch.api.credentials import Credentials
from gatewatch.api.decisions import Deciding
from gatewatch.api.edge import Edge
from gatewatch.api.events import Ingest
from gatewatch.api.feed import Feed
from gatewatch.api.gate import Authenticate, guarded
from gatewatch.api.measuring import Measuring
from gatewatch.api.openapi import Operation, document
from gatewatch.api.problems import HANDLERS
from gatewatch.api.shedding import Shedding
from gatewatch.api.table import ROUTES
from gatewatch.bootstrap import Serving
from gatewatch.settings import Settings
from gatewatch.tracing_ports import TracedLog

#: What a process can be asked to serve.
Function = Literal["ingest", "decide", "query", "ui"]
FUNCTIONS: tuple[Function, ...] = get_args(Function)

#: The routes of each function. A new router file is one line here, and its rows in `table.ROUTES`.
SERVED: dict[Function, list[Sequence[BaseRoute]]] = {
    "ingest": [events.routes],
    "decide": [decisions.routes],
    "query": [
        sessions.router.routes,
        keys.router.routes,
        triage.router.routes,
        queries.router.routes,
        queries.anything.routes,
        system.router.routes,
        stream.router.routes,
    ],
    # Last: whatever is nothing else may be a page.
    "ui": [sessions.router.routes, keys.router.routes, ui.routes],
}
#: What plain routes say of themselves in the OpenAPI document, by "METHOD /path".
WRITTEN: dict[str, Operation] = {**events_openapi.WRITTEN, **decisions_openapi.WRITTEN}


def functions(text: str) -> list[Function]:
    """The functions named in a text with commas. Raises `ValueError` with one line."""
    wanted = {name.strip() for name in text.split(",")}
    if unknown := sorted(wanted - {*FUNCTIONS}):
        raise ValueError(f"{unknown[0]!r} is none of {', '.join(FUNCTIONS)}")
    return [name for name in FUNCTIONS if name in wanted]


def build(
    settings: Settings,
    serving: Serving,
    serve: Collection[Function] = FUNCTIONS,
    authenticate: Authenticate | None = None,
) -> FastAPI:
    """The app; callers are told by their keys and sessions, unless by `authenticate`.

    Raises `gate.Unlisted` for a route that the table of routes does not have.
    """
    credentials = Credentials(serving.keys, serving.sessions, settings)
    behind = _behind(settings, serve, authenticate or credentials)
    deciding = _deciding(settings, serving) if "decide" in serve else None
    app = FastAPI(
        title="Gatewatch",
        version=__version__,
        openapi_url=None,  # ours is behind the gate
        routes=list[BaseRoute](behind),
        middleware=[Middleware(Measuring), *_shedding(deciding), *_middleware(settings)],
        exception_handlers=HANDLERS,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    app.state.serving, app.state.credentials = serving, credentials
    traced = serving.log if serving.tracing is not None and isinstance(serving.log, TracedLog) else None
    app.state.appender = Appender(serving.log, traced)
    app.state.ingest = Ingest(app.state.appender, serving.clock, settings, serving.tracing)
    app.state.feed = Feed(serving.streams, settings.stream_clients)
    app.state.deciding = deciding
    app.state.document = document(behind, ROUTES, WRITTEN, settings.base_path)
    app.state.web, app.state.base_path = ui.load(), settings.base_path
    return app


def _deciding(settings: Settings, serving: Serving) -> Deciding:
    return Deciding(serving.decisions(), serving.clock, settings.decide_connections)


def _shedding(deciding: Deciding | None) -> list[Middleware]:
    return [Middleware(Shedding, deciding.is_full)] if deciding is not None else []


def describe() -> bytes:
    """The OpenAPI document of all functions; it needs no database."""

    async def nobody(connection: HTTPConnection) -> Principal | None:
        del connection
        return None

    return document(_behind(Settings(), FUNCTIONS, nobody), ROUTES, WRITTEN, "")


def _behind(settings: Settings, serve: Collection[Function], authenticate: Authenticate) -> list[Route]:
    """What a process serves, each route behind the gate."""
    found = [*health.router.routes]
    for function in FUNCTIONS:
        if function in serve:
            found.extend(route for routes in SERVED[function] for route in routes if route not in found)
    return list(guarded(found, ROUTES, authenticate, settings.send_seconds, events.sizes(settings)))


def _middleware(settings: Settings) -> list[Middleware]:
    edge = Middleware(Edge, settings.hosts, settings.base_path)
    if not settings.proxies:
        return [edge]
    return [Middleware(ProxyHeadersMiddleware, trusted_hosts=settings.proxies), edge]


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    serving: Serving = app.state.serving
    try:
        yield
    finally:
        app.state.appender.close()
        if app.state.deciding is not None:
            app.state.deciding.close()
        serving.close()
