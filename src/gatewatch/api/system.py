"""How the system is doing, and which detectors are in force. Needs the permission read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from gatewatch.api import models
from gatewatch.api.dependencies import Caller, Parts
from gatewatch.services.health import HealthQueries

router = APIRouter(prefix="/v1", tags=["system"])


async def health(who: Caller, parts: Parts) -> HealthQueries:
    """The system as the caller's tenant may know it."""
    return HealthQueries(parts.queries(who.tenant), parts.clock)


Known = Annotated[HealthQueries, Depends(health)]


@router.get("/health")
def get_health(known: Known) -> models.SystemHealth:
    """Unread records and owners by partition, what waits to be relayed, and what came last."""
    return models.SystemHealth.model_validate(known.system())


@router.get("/detectors")
def get_detectors(known: Known) -> models.DetectorsInForce:
    """The detectors and what the policy in force says of each."""
    return models.DetectorsInForce.model_validate(known.detectors())
