"""Every error as a problem (RFC 9457): a stable code, a title, what happened, and nothing of our inside."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from gatewatch.ports import Unavailable
from gatewatch.read_ports import NotPrepared, TooCostly

MEDIA_TYPE = "application/problem+json"
#: Seconds after which a client may try again what could not be done just now.
RETRY_AFTER = 2

Code = Literal[
    "bad_request",
    "bad_encoding",
    "wrong_host",
    "unauthenticated",
    "wrong_credentials",
    "forbidden",
    "cross_site",
    "not_found",
    "method_not_allowed",
    "too_slow",
    "conflict",
    "body_too_large",
    "too_many_items",
    "unsupported_media_type",
    "invalid",
    "all_rejected",
    "too_many_requests",
    "internal",
    "unavailable",
    "too_costly",
    "overloaded",
]


class Kind(NamedTuple):
    """What all problems of a code have in common."""

    status: int
    title: str


KINDS: dict[Code, Kind] = {
    "bad_request": Kind(400, "The request cannot be understood"),
    "bad_encoding": Kind(400, "The body cannot be unpacked"),
    "wrong_host": Kind(400, "This server does not answer to that name"),
    "unauthenticated": Kind(401, "A valid session or API key is needed"),
    "wrong_credentials": Kind(401, "Name or password is wrong"),
    "forbidden": Kind(403, "The credential does not allow this"),
    "cross_site": Kind(403, "The request comes from another site"),
    "not_found": Kind(404, "There is nothing here"),
    "method_not_allowed": Kind(405, "The method is not allowed here"),
    "too_slow": Kind(408, "The body took too long to arrive"),
    "conflict": Kind(409, "The request contradicts what is there"),
    "body_too_large": Kind(413, "The body is too large"),
    "too_many_items": Kind(413, "The body holds too many items"),
    "unsupported_media_type": Kind(415, "The body's type or encoding is not supported"),
    "invalid": Kind(422, "A value is not what it must be"),
    "all_rejected": Kind(422, "Every item was rejected"),
    "too_many_requests": Kind(429, "Too many requests"),
    "internal": Kind(500, "Something went wrong"),
    "unavailable": Kind(503, "The database cannot be reached"),
    "too_costly": Kind(503, "The question takes too long to answer"),
    "overloaded": Kind(503, "There is too much to do"),
}
_BY_STATUS: dict[int, Code] = {kind.status: code for code, kind in reversed(KINDS.items())}


class Problem(HTTPException):
    """An answer other than the one asked for. `more` are further members of the body, `headers` of the answer."""

    def __init__(
        self, code: Code, detail: str = "", *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(KINDS[code].status, detail, headers)
        self.code, self.more = code, more


def retry(code: Code, seconds: int = RETRY_AFTER) -> Problem:
    """A problem that passes: the client is told when to try again."""
    return Problem(code, headers={"Retry-After": str(seconds)})


def answer(problem: HTTPException) -> Response:
    """The response that tells of a problem."""
    code = (
        problem.code if isinstance(problem, Problem) else _BY_STATUS.get(problem.status_code, "bad_request")
    )
    more = problem.more if isinstance(problem, Problem) else {}
    detail = problem.detail if isinstance(problem, Problem) else ""
    body = {
        "type": f"urn:gatewatch:problem:{code}",
        "title": KINDS[code].title,
        "status": problem.status_code,
        **({"detail": detail} if detail else {}),
        **more,
    }
    return Response(
        msgspec.json.encode(body), problem.status_code, dict(problem.headers or {}), media_type=MEDIA_TYPE
    )


async def on_http(request: Request, error: Exception) -> Response:
    """A problem, or what the framework raised (no such path, wrong method)."""
    assert isinstance(error, HTTPException)
    if error.status_code == KINDS["method_not_allowed"].status:
        return answer(Problem("method_not_allowed", headers={"Allow": ", ".join(_methods(request))}))
    return answer(error)


def _methods(request: Request) -> list[str]:
    """What the path can be asked. The framework names the methods of the first route of a path and no other."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({m for route in matching if route.path == matching[0].path for m in route.methods or ()})


async def on_invalid(request: Request, error: Exception) -> Response:
    """A body or parameter that is not what it must be: where, and why. What was sent is not repeated."""
    del request
    assert isinstance(error, RequestValidationError)
    errors = [{"where": _where(found["loc"]), "detail": found["msg"]} for found in error.errors()]
    return answer(Problem("invalid", errors=errors))


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(step) for step in location)


async def on_unavailable(request: Request, error: Exception) -> Response:
    """The database is away, or not set up yet."""
    del request, error
    return answer(retry("unavailable"))


async def on_too_costly(request: Request, error: Exception) -> Response:
    """The database is there, but gave up on the question."""
    del request, error
    return answer(Problem("too_costly", "Ask for a shorter time, or with fewer filters."))


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    HTTPException: on_http,
    RequestValidationError: on_invalid,
    TooCostly: on_too_costly,
    Unavailable: on_unavailable,
    NotPrepared: on_unavailable,
}
