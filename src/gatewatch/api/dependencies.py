"""What handlers ask for: their caller, and what belongs to the caller's tenant.

Coroutines though none waits: FastAPI sends a plain function to a thread, which takes longer than what they do.
"""

from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from gatewatch.access_ports import Principal
from gatewatch.bootstrap import Serving
from gatewatch.services.queries import Queries


async def caller(connection: HTTPConnection) -> Principal:
    """Whom the request speaks for; the gate put it there (a public route has none)."""
    return cast(Principal, connection.state.principal)


async def serving(connection: HTTPConnection) -> Serving:
    """What the process works with."""
    return cast(Serving, connection.app.state.serving)


Caller = Annotated[Principal, Depends(caller)]
Parts = Annotated[Serving, Depends(serving)]


async def queries(who: Caller, parts: Parts) -> Queries:
    """The questions that can be asked about the caller's tenant."""
    return Queries(parts.queries(who.tenant))


Asked = Annotated[Queries, Depends(queries)]
