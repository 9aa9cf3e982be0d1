"""Requests and answers without the sending: what both clients have in common."""

import logging
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from gatewatch.client.shapes import (
    ChallengeResult,
    Decision,
    Failover,
    Login,
    LoginResult,
    Refused,
    Strategy,
    Unavailable,
)

#: How long an answer may take in all, in seconds.
TIMEOUT = 1.0
#: Shorter than servers keep an idle connection open, so that none is used that was just closed.
IDLE = 4.0
#: Answers that are nobody's mistake: too slow, too often, and everything of the server's own.
_PASSING = {408: "overloaded", 429: "overloaded", 503: "overloaded"}

Answer = TypeVar("Answer")
Report = Callable[[Failover], object]


class Deadline(dict[str, float]):
    """An httpx `timeout` extension in which connecting, sending and each wait share one time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._end = monotonic() + seconds

    def left(self) -> float:
        """The seconds that are left, never none: a wait of 0 would not look at all."""
        return max(0.001, self._end - monotonic())

    def get(self, key: str, default: Any = None) -> Any:
        """What is left, whatever it is for."""
        del key, default
        return self.left()

    @property
    def over(self) -> bool:
        """Whether it has passed."""
        return monotonic() >= self._end


class Request(msgspec.Struct, frozen=True):
    """A request that may be sent again as it is."""

    method: str
    path: str
    body: bytes


def decide(login: Login, dry_run: bool) -> Request:
    """Ask about a login."""
    asked = {**_event(login), "policy": "default", "dry_run": dry_run}
    return Request("POST", "/v1/decisions", msgspec.json.encode(asked))


def report(
    decision: Decision, login: LoginResult | None, challenge: ChallengeResult | None, reason: str
) -> Request:
    """Tell how a login or its challenge ended."""
    told = {"login": login, "challenge": challenge, "reason": reason or None}
    body = msgspec.json.encode({name: value for name, value in told.items() if value is not None})
    return Request("PATCH", f"/v1/decisions/{quote(decision.decision_id or '', safe='')}", body)


def send(logins: Sequence[Login]) -> Request:
    """Send logins as events."""
    return Request("POST", "/v1/events", msgspec.json.encode([_event(login) for login in logins]))


def _event(login: Login) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(login)
    return {**found, "type": "login"}


def headers(key: str) -> dict[str, str]:
    """What every request carries."""
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}


def read(status: int, body: bytes, kind: type[Answer]) -> Answer:
    """The answer. Raises `Refused` or `Unavailable`."""
    if status in _PASSING:
        raise Unavailable("overloaded", f"the answer was {status}")
    if status >= 500:
        raise Unavailable("server_error", f"the answer was {status}")
    if status >= 400:
        raise _refused(status, body)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unavailable("bad_answer", str(error)) from None


def _refused(status: int, body: bytes) -> Refused:
    try:
        problem = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        problem = {}
    code = str(problem.get("type", "")).rpartition(":")[2] or "refused"
    return Refused(status, code, str(problem.get("detail", problem.get("title", ""))))


def unavailable(error: Exception) -> Unavailable:
    """What a failure on the way is."""
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return Unavailable("timeout", "there was no answer in time")
    return Unavailable("unreachable", str(error) or type(error).__name__)


def failed_over(failover: Failover) -> Decision:
    """The decision that a strategy makes. Raises the error where the strategy is to raise."""
    if failover.strategy == "raise":
        raise failover.error
    return Decision(
        decision_id=None,
        event_id=failover.login.event_id,
        action=failover.strategy,
        would_action=failover.strategy,
        degraded=("decision",),
        failover=True,
    )


def logged(failover: Failover) -> None:
    """Report a failover to the log `gatewatch.client`; no name and no address is in it."""
    logging.getLogger("gatewatch.client").warning(
        "no decision on login %s (%s): %s", failover.login.event_id, failover.error, failover.strategy
    )


def check_strategy(strategy: Strategy) -> Strategy:
    """Raises `ValueError` for a strategy that is none: found at the start, not at the first failure."""
    if strategy not in ("allow", "challenge", "deny", "raise"):
        raise ValueError(f"failover is allow, challenge, deny or raise, not {strategy!r}")
    return strategy
