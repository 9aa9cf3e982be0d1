"""Serving: a socket, uvicorn, and an orderly end."""

import socket
from threading import Event, Thread

import uvicorn
from fastapi import FastAPI

from gatewatch.api.feed import Feed

#: How long requests under way may take once the process was told to end, in seconds.
FINISH = 10
#: A client that takes nothing of what was sent for so long is given up, in seconds.
STALLED = 30


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any that is free. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.create_server((host, port), family=family, backlog=2048)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections inherit it
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED * 1000)
    return found


def address(of: socket.socket) -> str:
    """Where a socket listens, as a URL."""
    host, port = of.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """A server that ends what would not end by itself before it waits for what is under way."""

    def __init__(self, config: uvicorn.Config, feed: Feed) -> None:
        super().__init__(config)
        self._feed = feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then everything."""
        self._feed.close()
        await super().shutdown(sockets)


def server(app: FastAPI) -> Server:
    """The server of an app. Nothing forwarded is believed here: the app has a list of whom it believes."""
    config = uvicorn.Config(
        app,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=FINISH,
    )
    return Server(config, app.state.feed)


def serve(app: FastAPI, on: socket.socket, stop: Event) -> None:
    """Answer until `stop` is set or a signal says so."""
    running = server(app)

    def watch() -> None:
        stop.wait()
        running.should_exit = True

    Thread(target=watch, daemon=True).start()
    running.run(sockets=[on])
    stop.set()
