"""The client that awaits."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import anyio
import httpx

from gatewatch.client import wire
from gatewatch.client.shapes import (
    ChallengeResult,
    Decision,
    Failover,
    Login,
    LoginResult,
    Outcome,
    Receipt,
    Strategy,
    Unavailable,
)
from gatewatch.client.wire import Answer, Report, Request


class AsyncClient:
    """As `Client`, for asyncio and trio. Keep one for the life of the event loop."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        failover: Strategy,
        timeout: float = wire.TIMEOUT,
        on_failover: Report = wire.logged,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._failover, self._report = wire.check_strategy(failover), on_failover
        self._timeout = timeout
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=wire.headers(key),
            limits=httpx.Limits(keepalive_expiry=wire.IDLE),
            timeout=timeout,
            transport=transport,
        )

    async def decide(self, login: Login, *, dry_run: bool = False) -> Decision:
        """What to do about a login. Raises `Refused`, and `Unavailable` where the strategy is to raise."""
        try:
            return await self._ask(wire.decide(login, dry_run), Decision)
        except Unavailable as error:
            failover = Failover(login, self._failover, error)
            self._report(failover)
            return wire.failed_over(failover)

    async def report_login(
        self, decision: Decision, result: LoginResult, *, reason: str = ""
    ) -> Outcome | None:
        """Tell how a login ended; None for one that nobody decided on. Raises `Refused`, `Unavailable`."""
        return await self._tell(decision, result, None, reason)

    async def report_challenge(self, decision: Decision, result: ChallengeResult) -> Outcome | None:
        """Tell how a challenge ended; None for a login that nobody decided on. Raises `Refused`, `Unavailable`."""
        return await self._tell(decision, None, result, "")

    async def _tell(
        self, decision: Decision, login: LoginResult | None, challenge: ChallengeResult | None, reason: str
    ) -> Outcome | None:
        if decision.decision_id is None:
            return None
        return await self._ask(wire.report(decision, login, challenge, reason), Outcome)

    async def send(self, logins: Sequence[Login]) -> Receipt:
        """Send logins that need no decision (the key needs the scope ingest). Raises `Refused`, `Unavailable`."""
        return await self._ask(wire.send(logins), Receipt)

    async def _ask(self, request: Request, kind: type[Answer]) -> Answer:
        """The answer; a connection that was lost is tried once more within the time."""
        try:
            with anyio.fail_after(self._timeout):
                try:
                    response = await self._once(request)
                except (httpx.NetworkError, httpx.RemoteProtocolError):
                    response = await self._once(request)
        except (httpx.HTTPError, TimeoutError) as error:
            raise wire.unavailable(error) from error
        return wire.read(response.status_code, response.content, kind)

    async def _once(self, request: Request) -> httpx.Response:
        return await self._http.request(request.method, request.path, content=request.body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
