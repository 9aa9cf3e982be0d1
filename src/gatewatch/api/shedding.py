"""The door of `POST /v1/decisions`: what would find no room is sent away before anything is spent on it.

A refusal that costs as much as an answer would take from those who wait what they wait for: at twice the capacity most
requests are refusals.
"""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatewatch.api.edge import DEFAULTS
from gatewatch.api.measuring import name_route
from gatewatch.api.problems import answer, retry

_PATH = "/v1/decisions"


class Shedding:
    """ASGI middleware around everything; `full` says whether there is room, and is asked for each decision."""

    def __init__(self, app: ASGIApp, full: Callable[[], bool]) -> None:
        self._app, self._full = app, full
        refusal = answer(retry("overloaded"))
        refusal.headers.update(DEFAULTS)
        self._start: Message = {
            "type": "http.response.start",
            "status": refusal.status_code,
            "headers": refusal.raw_headers,
        }
        self._body: Message = {"type": "http.response.body", "body": bytes(refusal.body)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse at once, or pass on. A base path may stand before the path."""
        if (
            scope["type"] == "http"
            and scope["path"].endswith(_PATH)
            and scope["method"] == "POST"
            and self._full()
        ):
            name_route(scope, _PATH)
            await send(self._start)
            await send(self._body)
        else:
            await self._app(scope, receive, send)
