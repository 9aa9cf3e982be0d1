"""`/healthz`, `/readyz` and the OpenAPI document: what every process answers."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from gatewatch.api.dependencies import Parts

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """All that a probe learns."""

    status: Literal["ok"] = "ok"


@router.get("/healthz")
async def healthz() -> Health:
    """The process is up."""
    return Health()


@router.get("/readyz")
def readyz(parts: Parts) -> Health:
    """The process can do its work; 503 where the database is away or not set up."""
    parts.ready()
    return Health()


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """The OpenAPI document of what this process serves."""
    return Response(request.app.state.document, media_type="application/json")
