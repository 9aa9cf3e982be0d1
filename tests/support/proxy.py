"""A reverse proxy as operators put before Gatewatch: it speaks TLS, strips a base path, and says who asked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from threading import Thread

import httpx
import trustme
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

METHODS = ["GET", "HEAD", "POST", "PATCH", "DELETE"]
#: Headers that are for one hop.
_HOP = {"connection", "host", "keep-alive", "transfer-encoding"}


@contextmanager
def tls_listener(folder: Path) -> Iterator[tuple[socket.socket, Path]]:
    """A listening socket on loopback, and the file with the key and certificate of `localhost`."""
    certificate = folder / "localhost.pem"
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener, certificate


@contextmanager
def proxied(listener: socket.socket, certificate: Path, path: str, upstream: str) -> Iterator[None]:
    """Pass what comes to `https://localhost:…<path>/` on to `upstream`, for as long as it is looked at."""
    # Browsers take up a connection again after minutes, and give up where several in a row were closed meanwhile.
    config = uvicorn.Config(
        _app(path, upstream),
        ssl_certfile=certificate,
        log_config=None,
        lifespan="on",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=300,
    )
    server = uvicorn.Server(config)
    thread = Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def _app(path: str, upstream: str) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=upstream, timeout=None, limits=limits) as client:
            app.state.client = client
            yield

    async def elsewhere(_: Request) -> Response:
        return PlainTextResponse("another application", 404)

    routes = [Route(f"{path}/{{rest:path}}", _pass_on, methods=METHODS), Route("/{rest:path}", elsewhere)]
    return Starlette(routes=routes, lifespan=lifespan)


async def _pass_on(request: Request) -> Response:
    client: httpx.AsyncClient = request.app.state.client
    headers = [(name, value) for name, value in request.headers.items() if name not in _HOP]
    assert request.client is not None
    headers += [
        ("host", request.headers["host"]),
        ("x-forwarded-for", request.client.host),
        ("x-forwarded-proto", "https"),
    ]
    url = httpx.URL(path="/" + request.path_params["rest"], query=request.url.query.encode())
    asked = client.build_request(request.method, url, headers=headers, content=await request.body())
    answer = await client.send(asked, stream=True)
    passed = StreamingResponse(answer.aiter_raw(), answer.status_code)
    passed.raw_headers = [
        (name.lower(), value) for name, value in answer.headers.raw if name.lower().decode() not in _HOP
    ]
    return passed
