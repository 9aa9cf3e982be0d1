"""Counts requests by the template of their route, and measures how long they wait for an answer."""

from collections.abc import MutableMapping
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatewatch import metrics

#: Where in a scope the layers inside leave the route's template; copies of the scope share it.
_ROUTE = "gatewatch.route"
#: What is said where no route was found, and of an answer that never began.
NONE = "none"


def name_route(scope: MutableMapping[str, Any], template: str) -> None:
    """Say which route a request is for."""
    scope.get(_ROUTE, []).append(template)


class Measuring:
    """ASGI middleware around everything. A stream counts as answered once it begins."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and look at its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        measured = _Measured(scope, send)
        try:
            await self._app(scope, receive, measured)
        finally:
            if not measured.answered:
                measured.count(NONE)


class _Measured:
    """`send` that counts the answer when it begins."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send, self._method, self._began = send, scope["method"], perf_counter()
        self._route: list[str] = []
        scope[_ROUTE] = self._route
        self.answered = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.answered = True
            self.count(f"{message['status'] // 100}xx")
        await self._send(message)

    def count(self, status: str) -> None:
        """Count the request."""
        route = self._route[0] if self._route else NONE
        metrics.REQUESTS.add(route, self._method, status)
        metrics.REQUEST_SECONDS.observe(perf_counter() - self._began, route, self._method)
