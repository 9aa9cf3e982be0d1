"""`GET /v1/stream`: what is stored, as it is stored, as server-sent events. Needs the permission read."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gatewatch.api.asking import Asking
from gatewatch.api.credentials import Credentials
from gatewatch.api.dependencies import Caller
from gatewatch.api.feed import Feed
from gatewatch.api.openapi import problem
from gatewatch.api.subscription import Subscription
from gatewatch.services.stream import KINDS, Kind

router = APIRouter(prefix="/v1", tags=["stream"], route_class=Asking)

MEDIA_TYPE = "text/event-stream"
#: No proxy may keep it, change it or hold it back.
_HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
_EXAMPLE = """retry: 2000
id: k8QIBu...

id: k8QIBw...
event: event
data: {"event_id":"a-1","time":"2026-11-22T10:00:00Z","user":"alice","score":0}

"""
_RESPONSES: dict[int | str, Any] = {
    200: {
        "description": "`event`s and `anomaly`s as in their lists, and `reset`. It does not end by itself.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLE}},
    },
    429: problem("too many streams of this caller"),
}


class EventStream(StreamingResponse):
    """A stream that gives its place back, however it ends."""

    media_type = MEDIA_TYPE

    def __init__(self, feed: Feed, subscription: Subscription, content: Any) -> None:
        super().__init__(content, headers=_HEADERS)
        self._feed, self._subscription = feed, subscription

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until one side has had enough."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feed.leave(self._subscription)


@router.get("/stream", response_class=StreamingResponse, responses=_RESPONSES)
async def stream(
    request: Request,
    who: Caller,
    last_event_id: Annotated[
        str,
        Header(description="The id of the last block that came; it goes before `after`."),
    ] = "",
    after: Annotated[str, Query(description="Go on behind this id; from now on without one.")] = "",
    kinds: Annotated[
        str,
        Query(pattern="^(events|anomalies)(,(events|anomalies))?$", description="What is to be told of."),
    ] = ",".join(KINDS),
) -> EventStream:
    """Events and versions of anomalies as they are stored, each exactly once, across reconnects too."""
    feed, credentials = cast(Feed, request.app.state.feed), cast(Credentials, request.app.state.credentials)
    await request.body()  # nobody sends one; what follows of the connection is its end

    async def holds() -> bool:
        return "read" in await credentials.permissions(request)

    credential = request.headers.get("authorization") or credentials.token(request)
    wanted = frozenset[Kind](kind for kind in KINDS if kind in kinds.split(","))
    subscription = feed.subscribe(who.tenant, who.subject, credential, wanted, holds)
    try:
        return EventStream(feed, subscription, await feed.begin(subscription, last_event_id or after))
    except BaseException:
        feed.leave(subscription)
        raise
