"""The OpenAPI document: FastAPI's own, what the plain routes say of themselves, and what the table adds to each."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import Route

from gatewatch import __version__
from gatewatch.api.problems import KINDS, MEDIA_TYPE
from gatewatch.api.table import Needs

Operation = dict[str, Any]

_PROBLEM: Operation = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "enum": [f"urn:gatewatch:problem:{code}" for code in KINDS]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"where": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
_SCHEMES: Operation = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key (`gatewatch keys create`)."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "gatewatch_session",
        "description": "A person's session; over https the cookie's name begins with `__Host-` or `__Secure-`.",
    },
}
_VALIDATION = "HTTPValidationError"
_ANSWERS = {400: "bad request", 401: "no valid credential", 403: "not allowed", 503: "unavailable"}
_BODIES = {408: "the body took too long", 413: "too many bytes"}


def document(
    routes: Sequence[Route], table: Mapping[str, Needs], written: Mapping[str, Operation], base_path: str
) -> bytes:
    """The document of these routes, as JSON. `written` has the operations of plain routes by "METHOD /path"."""
    found = get_openapi(
        title="Gatewatch",
        version=__version__,
        openapi_version="3.1.0",
        routes=list(routes),
        servers=[{"url": base_path or "/"}],
    )
    paths = found.setdefault("paths", {})
    served = {route.path for route in routes}
    for name, operation in written.items():
        method, _, path = name.partition(" ")
        if path in served:
            paths.setdefault(path, {})[method.lower()] = {**operation}
    names = _names(routes)
    for path, operations in paths.items():
        for method, operation in operations.items():
            name = f"{method.upper()} {path}"
            if name in names:
                operation["operationId"] = names[name]
            _complete(operation, table[name])
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    components["securitySchemes"] = _SCHEMES
    return msgspec.json.encode(found)


def _names(routes: Sequence[Route]) -> dict[str, str]:
    """What generated clients call each operation: the name of its handler."""
    return {
        f"{method} {route.path}": route.name
        for route in routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }


def _complete(operation: Operation, needs: Needs) -> None:
    """Add what every operation has: its credentials and its problems."""
    operation["security"] = _security(needs)
    answers = operation["responses"]
    # FastAPI's own description of a wrong value gives way to ours; what was written by hand stays.
    taken = _VALIDATION in str(answers.get("422"))
    if taken:
        del answers["422"]
    bodies = _BODIES if "requestBody" in operation else {}
    statuses = {**_ANSWERS, **bodies, **({422: "a value is not what it must be"} if taken else {})}
    for status, description in statuses.items():
        if needs != "public" or status not in (401, 403):
            answers.setdefault(str(status), problem(description))
    answers.setdefault("default", problem("another error"))


def _security(needs: Needs) -> list[dict[str, list[str]]]:
    key: dict[str, list[str]] = {"key": []}
    session: dict[str, list[str]] = {"session": []}
    if needs == "public":
        return []
    if needs in ("ingest", "decide"):
        return [key]
    return [key, session] if needs == "read" else [session]


def problem(description: str) -> Operation:
    """A response that is a problem."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description.capitalize() + ".", "content": {MEDIA_TYPE: {"schema": schema}}}
