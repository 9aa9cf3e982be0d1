"""An ASGI application whose login Gatewatch protects.

    export GATEWATCH_URL=http://127.0.0.1:8420 GATEWATCH_KEY=… PORTAL_PASSWORD=…
    uvicorn --factory examples.protected_login.app:from_environment

What there is to see: the password is checked first; Gatewatch is told how that went, failures too, and says what to
do; a challenge is a second step whose result it is told; and where it cannot be asked the login goes on by the strategy
that was chosen. Accounts and sessions are in memory: yours are not.
"""

import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import time

import msgspec
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from examples.protected_login.accounts import Account, passwords_match, totp_matches
from gatewatch.client import AsyncClient, Context, Decision, GatewatchError, Login, User

#: How long a challenge may be answered, in seconds.
CHALLENGE_SECONDS = 300
#: What a browser is known by; it stays when the session ends.
DEVICE_COOKIE = "device"
SESSION_COOKIE = "session"


class Credentials(msgspec.Struct):
    """What a person types."""

    name: str
    password: str


class Code(msgspec.Struct):
    """The second step: which login, and the code."""

    login: str
    code: str


class Pending(msgspec.Struct, frozen=True):
    """A login that waits for its second step."""

    account: Account
    decision: Decision
    until: float


class Portal:
    """The application's login."""

    def __init__(self, gatewatch: AsyncClient, accounts: Mapping[str, Account]) -> None:
        self._gatewatch, self._accounts = gatewatch, accounts
        self._pending: dict[str, Pending] = {}
        self._sessions: dict[str, str] = {}

    async def login(self, request: Request) -> Response:
        """The password, and what Gatewatch says of it."""
        typed = msgspec.json.decode(await request.body(), type=Credentials)
        account = self._accounts.get(typed.name)
        right = await run_in_threadpool(passwords_match, account, typed.password)
        device = request.cookies.get(DEVICE_COOKIE) or secrets.token_hex(16)
        decision = await self._gatewatch.decide(_login(request, typed.name, account, right, device))
        answer = self._answer(decision, account if right else None)
        answer.set_cookie(DEVICE_COOKIE, device, max_age=10**8, httponly=True, samesite="lax")
        return answer

    def _answer(self, decision: Decision, account: Account | None) -> Response:
        if account is None:  # whatever Gatewatch says, nobody gets in without the password
            return JSONResponse({"error": "name or password is wrong"}, 401)
        if decision.action == "deny":
            refused = partial(self._gatewatch.report_login, decision, "failure", reason="policy")
            return JSONResponse({"error": "ask for help"}, 403, background=_told(refused))
        if decision.action == "challenge":
            login = secrets.token_urlsafe(32)
            self._pending[login] = Pending(account, decision, time() + CHALLENGE_SECONDS)
            factors = decision.challenge.suggested if decision.challenge is not None else ("totp",)
            return JSONResponse({"login": login, "factors": factors}, 401)
        return self._open(account)

    async def challenge(self, request: Request) -> Response:
        """The second step: one try."""
        typed = msgspec.json.decode(await request.body(), type=Code)
        pending = self._pending.pop(typed.login, None)
        if pending is None or time() > pending.until:
            return JSONResponse({"error": "log in again"}, 401)
        passed = totp_matches(pending.account, typed.code, time())
        result = partial(self._gatewatch.report_challenge, pending.decision, "passed" if passed else "failed")
        if passed:
            return self._open(pending.account, _told(result))
        return JSONResponse({"error": "the code is wrong"}, 401, background=_told(result))

    def _open(self, account: Account, after: BackgroundTask | None = None) -> Response:
        token = secrets.token_urlsafe(32)
        self._sessions[token] = account.name
        answer = JSONResponse({"welcome": account.name}, background=after)
        answer.set_cookie(SESSION_COOKIE, token, httponly=True, samesite="lax")
        return answer

    async def me(self, request: Request) -> Response:
        """Who is logged in."""
        name = self._sessions.get(request.cookies.get(SESSION_COOKIE, ""))
        return JSONResponse({"name": name}, 200 if name else 401)


def _login(request: Request, name: str, account: Account | None, right: bool, device: str) -> Login:
    """What Gatewatch is told. The address must be the client's own: let your server read it from your proxy."""
    reason = "" if right else "bad_credentials" if account is not None else "unknown_user"
    return Login(
        "success" if right else "failure",
        User(name=name, id=account.id if account else "", mfa_enrolled=bool(account and account.totp)),
        Context(
            ip=request.client.host if request.client else "",
            user_agent=request.headers.get("user-agent", ""),
            device_id=device,
        ),
        reason=reason,
        stage="post_auth",
    )


def _told(report: Callable[[], Awaitable[object]]) -> BackgroundTask:
    """Tell Gatewatch after the answer was sent; a login does not fail because its result could not be told."""

    async def tell() -> None:
        try:
            await report()
        except GatewatchError as error:
            logging.getLogger("portal").warning("Gatewatch was not told how a login ended: %s", error)

    return BackgroundTask(tell)


def application(gatewatch: AsyncClient, accounts: Mapping[str, Account]) -> Starlette:
    """The application."""
    portal = Portal(gatewatch, accounts)
    return Starlette(
        routes=[
            Route("/login", portal.login, methods=["POST"]),
            Route("/challenge", portal.challenge, methods=["POST"]),
            Route("/me", portal.me),
        ],
        exception_handlers={msgspec.DecodeError: _unreadable},
    )


async def _unreadable(request: Request, error: Exception) -> Response:
    del request, error
    return JSONResponse({"error": "send JSON as documented"}, 422)


def from_environment() -> Starlette:
    """The application by its environment, with one account: alice, whose password is `PORTAL_PASSWORD`."""
    gatewatch = AsyncClient(
        os.environ["GATEWATCH_URL"],
        os.environ["GATEWATCH_KEY"],
        failover="challenge",
    )
    alice = Account.make("u1", "alice", os.environ["PORTAL_PASSWORD"], totp=secrets.token_bytes(20))
    return application(gatewatch, {"alice": alice})
