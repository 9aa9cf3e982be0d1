"""Log in, log out, change a password: what people do before and after everything else."""

from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, SecretStr
from starlette.requests import Request
from starlette.responses import Response

from gatewatch import metrics
from gatewatch.access_ports import OpenSession
from gatewatch.api.credentials import Credentials
from gatewatch.api.dependencies import Parts
from gatewatch.api.edge import whole_seconds
from gatewatch.api.openapi import problem
from gatewatch.api.problems import Problem
from gatewatch.services.access import LONGEST_PASSWORD, SHORTEST_PASSWORD, TooManyAttempts, WrongCredentials

router = APIRouter(prefix="/v1", tags=["sessions"])

_TRIED: dict[int | str, Any] = {401: problem("name or password is wrong"), 429: problem("too many attempts")}


class LogIn(BaseModel):
    """Who wants to log in."""

    name: Annotated[str, Field(max_length=256, examples=["admin"])]
    password: Annotated[SecretStr, Field(max_length=LONGEST_PASSWORD)]


class NewPassword(BaseModel):
    """A password and the one that takes its place."""

    current: Annotated[SecretStr, Field(max_length=LONGEST_PASSWORD)]
    new: Annotated[SecretStr, Field(min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD)]


class SessionView(BaseModel):
    """Whose session it is, what they may, and when it ends at the latest."""

    name: str
    tenant: str
    permissions: list[str]
    expires_at: datetime


async def credentials(request: Request) -> Credentials:
    """How callers prove who they are."""
    return cast(Credentials, request.app.state.credentials)


async def session(request: Request) -> OpenSession:
    """The caller's session; the gate put it there."""
    return cast(OpenSession, request.state.session)


Proofs = Annotated[Credentials, Depends(credentials)]
Session = Annotated[OpenSession, Depends(session)]


@router.post("/session", responses=_TRIED)
async def log_in(
    body: LogIn, request: Request, response: Response, parts: Parts, proofs: Proofs
) -> SessionView:
    """Log in. The session's token comes as a cookie and is a new one each time."""
    proofs.check_origin(request, required=False)
    replaced, address = proofs.token(request), _address(request)

    def work() -> tuple[OpenSession, str]:
        parts.sessions.attempt(body.name, address)
        return parts.sessions.log_in(body.name, body.password.get_secret_value(), address, replaced)

    try:
        opened, token = await proofs.hashing.run(work)
    except (TooManyAttempts, WrongCredentials) as error:
        raise _refusal(error) from None
    metrics.LOGINS.add("ok")
    proofs.give(response, token)
    return _view(opened)


@router.get("/session")
async def current_session(session: Session) -> SessionView:
    """Whose session this is."""
    return _view(session)


@router.delete("/session", status_code=204)
def log_out(request: Request, response: Response, parts: Parts, proofs: Proofs) -> None:
    """Log out."""
    parts.sessions.log_out(proofs.token(request))
    proofs.take_back(response)


@router.delete("/sessions", status_code=204)
def log_out_everywhere(session: Session, response: Response, parts: Parts, proofs: Proofs) -> None:
    """End all sessions of this account."""
    parts.sessions.log_out_everywhere(session)
    proofs.take_back(response)


@router.post("/account/password", status_code=204, responses=_TRIED)
async def change_password(
    body: NewPassword, session: Session, request: Request, response: Response, parts: Parts, proofs: Proofs
) -> None:
    """Change the password. All sessions of the account end, this one included."""
    address = _address(request)
    current, new = body.current.get_secret_value(), body.new.get_secret_value()

    def work() -> None:
        parts.sessions.attempt(session.name, address)
        parts.sessions.change_password(session, current, new)

    try:
        await proofs.hashing.run(work)
    except (TooManyAttempts, WrongCredentials) as error:
        raise _refusal(error) from None
    proofs.take_back(response)


def _refusal(error: TooManyAttempts | WrongCredentials) -> Problem:
    if isinstance(error, TooManyAttempts):
        metrics.LOGINS.add("limited")
        return Problem("too_many_requests", headers={"Retry-After": str(whole_seconds(error.seconds))})
    metrics.LOGINS.add("wrong")
    return Problem("wrong_credentials")


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _view(found: OpenSession) -> SessionView:
    return SessionView(
        name=found.name,
        tenant=found.tenant,
        permissions=sorted(found.permissions),
        expires_at=found.expires_at,
    )
