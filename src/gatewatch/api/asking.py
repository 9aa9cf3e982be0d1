"""What the routes of queries and triage have in common: paths, parameters, and their errors as problems."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Query
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from gatewatch.api.problems import Problem
from gatewatch.ports import BadData
from gatewatch.services.pages import MOST, BadQuery
from gatewatch.services.triage import StatusConflict, UnknownAnomaly

#: What a moment begins with.
_DATE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


def _dated(value: object) -> object:
    """A number alone is no moment here; pydantic would take it for seconds since 1970."""
    if isinstance(value, str) and not _DATE.match(value):
        raise PydanticCustomError("moment", "Input should be a moment such as 2026-11-22T10:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_dated)]
Since = Annotated[
    Moment | None,
    Query(
        description="From then on; 24 hours before `until` unless it is said.",
        examples=["2026-11-22T10:00:00Z"],
    ),
]
Until = Annotated[Moment | None, Query(description="Before then; now unless it is said.")]
Limit = Annotated[int, Query(ge=1, le=MOST, description="The most rows of a page.")]
Cursor = Annotated[
    str,
    Query(max_length=4_096, description="`next` of the page before; the other parameters must be the same."),
]


class Asking(APIRoute):
    """A route whose handler may raise what the services of queries and triage raise."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with errors as problems."""
        handler = super().get_route_handler()

        async def asked(request: Request) -> Response:
            try:
                return await handler(request)
            except BadQuery as error:
                raise Problem("bad_request", str(error)) from None
            except BadData:
                raise Problem("bad_request", "a value is none that can be stored") from None
            except UnknownAnomaly:
                raise Problem("not_found") from None
            except StatusConflict as error:
                said = error.said
                raise Problem(
                    "conflict", str(error), current={"status": said.status, "revision": said.revision}
                ) from None

        return asked


class AskingOfAnything(Asking):
    """As `Asking`; the last parameter takes the rest of the path: names and prefixes have slashes."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, endpoint, **more)
        self.path_regex, _, self.param_convertors = compile_path(path.removesuffix("}") + ":path}")


def found(value: Any) -> Any:
    """What was asked for. Raises a `Problem` where there is no such thing."""
    if value is None:
        raise Problem("not_found")
    return value
