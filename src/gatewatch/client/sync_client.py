"""The client that blocks."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

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
from gatewatch.client.wire import Answer, Deadline, Report, Request


class Client:
    """Asks for decisions. Safe for several threads; keep one for the life of the process.

    `failover` says what to do about a login that could not be decided on within `timeout` seconds; there is no default,
    because only you know what a wrong guess costs. Each time `on_failover` is told (unless set: the log). Wrong
    requests and keys raise `Refused` instead: nobody should get in by being hard to understand.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        failover: Strategy,
        timeout: float = wire.TIMEOUT,
        on_failover: Report = wire.logged,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._failover, self._report = wire.check_strategy(failover), on_failover
        self._timeout = timeout
        self._http = httpx.Client(
            base_url=url,
            headers=wire.headers(key),
            limits=httpx.Limits(keepalive_expiry=wire.IDLE),
            transport=transport,
        )

    def decide(self, login: Login, *, dry_run: bool = False) -> Decision:
        """What to do about a login. Raises `Refused`, and `Unavailable` where the strategy is to raise."""
        try:
            return self._ask(wire.decide(login, dry_run), Decision)
        except Unavailable as error:
            failover = Failover(login, self._failover, error)
            self._report(failover)
            return wire.failed_over(failover)

    def report_login(self, decision: Decision, result: LoginResult, *, reason: str = "") -> Outcome | None:
        """Tell how a login ended; None for one that nobody decided on. Raises `Refused`, `Unavailable`."""
        return self._tell(decision, result, None, reason)

    def report_challenge(self, decision: Decision, result: ChallengeResult) -> Outcome | None:
        """Tell how a challenge ended; None for a login that nobody decided on. Raises `Refused`, `Unavailable`."""
        return self._tell(decision, None, result, "")

    def _tell(
        self, decision: Decision, login: LoginResult | None, challenge: ChallengeResult | None, reason: str
    ) -> Outcome | None:
        if decision.decision_id is None:
            return None
        return self._ask(wire.report(decision, login, challenge, reason), Outcome)

    def send(self, logins: Sequence[Login]) -> Receipt:
        """Send logins that need no decision (the key needs the scope ingest). Raises `Refused`, `Unavailable`."""
        return self._ask(wire.send(logins), Receipt)

    def _ask(self, request: Request, kind: type[Answer]) -> Answer:
        """The answer; a connection that was lost is tried once more within the time."""
        deadline = Deadline(self._timeout)
        try:
            try:
                status, body = self._once(request, deadline)
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                status, body = self._once(request, deadline)
        except httpx.HTTPError as error:
            raise wire.unavailable(error) from error
        return wire.read(status, body, kind)

    def _once(self, request: Request, deadline: Deadline) -> tuple[int, bytes]:
        extensions = {"timeout": deadline}
        with self._http.stream(
            request.method, request.path, content=request.body, extensions=extensions
        ) as response:
            body = b""
            for piece in response.iter_bytes():
                body += piece
                if deadline.over:
                    raise httpx.ReadTimeout("the answer did not end in time")
            return response.status_code, body

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
