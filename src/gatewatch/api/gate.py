"""The gate before every route: the table says what is needed, the credential what there is."""

import copy
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gatewatch.access_ports import Principal
from gatewatch.api.body import USUAL, Bounds, bounded
from gatewatch.api.measuring import name_route
from gatewatch.api.problems import Problem
from gatewatch.api.table import Needs

#: Tells who sent a request; None without a valid credential. Raises `Unavailable` where that cannot be found out, and
#: `Problem` for a credential that may not be used in this way.
Authenticate = Callable[[HTTPConnection], Awaitable[Principal | None]]

_ACCOUNT = "account:"


class Unlisted(Exception):
    """A route is not in the table of who may call what; nothing is served."""


def guarded(
    routes: Iterable[BaseRoute],
    table: Mapping[str, Needs],
    authenticate: Authenticate,
    seconds: float,
    sizes: Mapping[str, int],
) -> Iterator[Route]:
    """The routes, each behind the gate. Raises `Unlisted` for one without an entry or of an unknown kind.

    A body may take `seconds` to arrive and hold `sizes[path]` bytes (64 KiB where that says nothing).
    """
    for route in routes:
        if not isinstance(route, Route):
            raise Unlisted(f"{route!r} is no plain route")
        found = {table.get(f"{method} {route.path}") for method in (route.methods or {"*"}) - {"HEAD"}}
        if len(found) != 1 or (needs := found.pop()) is None:
            raise Unlisted(f"{sorted(route.methods or ())} {route.path} has no row in the table of routes")
        behind = copy.copy(route)
        bounds = Bounds(sizes.get(route.path, USUAL), seconds)
        behind.app = Gate(route.app, route.path, needs, authenticate, bounds)
        yield behind


class Gate:
    """One route's gate (ASGI). What passes has its principal in the state and a body that is bounded."""

    def __init__(
        self, app: ASGIApp, path: str, needs: Needs, authenticate: Authenticate, bounds: Bounds
    ) -> None:
        self._app, self._path, self._needs = app, path, needs
        self._authenticate, self._bounds = authenticate, bounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through who may pass; a body is not looked at before."""
        name_route(scope, self._path)
        if self._needs != "public":
            principal = await self._authenticate(HTTPConnection(scope))
            self._check(principal)
            scope.setdefault("state", {})["principal"] = principal
        await self._app(scope, bounded(scope, receive, self._bounds), send)

    def _check(self, principal: Principal | None) -> None:
        if principal is None:
            raise Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})
        if self._needs == "session":
            if not principal.subject.startswith(_ACCOUNT):
                raise Problem("forbidden", "This is for a person's session, not for an API key.")
        elif self._needs not in principal.permissions:
            raise Problem("forbidden", f"The permission {self._needs} is needed.")
