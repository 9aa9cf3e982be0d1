"""What an application says and is told, as types; names are those of the HTTP API. Unknown fields are ignored."""

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

import msgspec

Action = Literal["allow", "challenge", "deny"]
#: What to do about a login that nobody decided on.
Strategy = Literal["allow", "challenge", "deny", "raise"]
LoginResult = Literal["success", "failure"]
ChallengeResult = Literal["passed", "failed", "abandoned"]
#: Why there was no decision.
Cause = Literal["timeout", "unreachable", "overloaded", "server_error", "bad_answer"]


class GatewatchError(Exception):
    """Something went wrong between an application and Gatewatch."""


class Refused(GatewatchError):
    """A request is wrong in itself, or its key: sent again it is refused again. Never failed over.

    `code` is the problem's (`invalid`, `conflict`, `unauthenticated` …).
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}{f': {detail}' if detail else ''}")
        self.status, self.code, self.detail = status, code, detail


class Unavailable(GatewatchError):
    """Gatewatch could not be asked, or could not answer just now. The same request may be sent again."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause: Cause = cause


class User(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who: a name, an id or both. `mfa_enrolled` says whether a challenge can ask for a second factor."""

    id: str = ""
    name: str = ""
    email: str = ""
    mfa_enrolled: bool | None = None
    groups: tuple[str, ...] = ()


class Context(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From where and with what. `ip` is the client's, not a proxy's; `device_id` a cookie of yours that stays."""

    ip: str = ""
    user_agent: str = ""
    device_id: str = ""
    session_id: str = ""


class Auth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How."""

    method: str = ""
    factors: tuple[str, ...] = ()
    protocol: str = ""


class App(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Into what."""

    id: str = ""
    name: str = ""


def _id() -> str:
    return uuid4().hex


def _now() -> datetime:
    return datetime.now(UTC)


class Login(msgspec.Struct, frozen=True, omit_defaults=True):
    """A login. `attempted`: the password was not looked at yet; else how it went so far.

    It has its id and its time from when it was made: asked about again, it is the same login.
    """

    outcome: Literal["attempted", "success", "failure"]
    user: User
    context: Context
    reason: str = ""
    stage: Literal["pre_auth", "post_auth", ""] = ""
    auth: Auth | None = None
    app: App | None = None
    event_id: str = msgspec.field(default_factory=_id)
    occurred_at: datetime = msgspec.field(default_factory=_now)


class Reason(msgspec.Struct, frozen=True):
    """Why: a stable code, its points of the score, a sentence."""

    code: str
    contribution: int
    text: str
    kind: str = ""
    evidence: dict[str, Any] = {}
    attack: tuple[str, ...] = ()


class Challenge(msgspec.Struct, frozen=True):
    """Which further factors to ask for, the best first."""

    suggested: tuple[str, ...] = ()


class Policy(msgspec.Struct, frozen=True):
    """The policy that was in force."""

    id: str = ""
    revision: int = 0
    mode: str = ""


class Device(msgspec.Struct, frozen=True):
    """The device and whether the user never used it."""

    id: str
    new: bool


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to do about a login.

    `failover`: nobody decided, `action` is the client's own strategy, and there is no `decision_id`.
    """

    decision_id: str | None
    event_id: str
    action: Action
    would_action: Action
    score: int = 0
    level: str = "none"
    scores: dict[str, int] = {}
    reasons: tuple[Reason, ...] = ()
    challenge: Challenge | None = None
    policy: Policy = Policy()
    device: Device | None = None
    degraded: tuple[str, ...] = ()
    failover: bool = False
    took_ms: int = 0


class Outcome(msgspec.Struct, frozen=True):
    """What Gatewatch knows of how a login ended, None for what nobody reported."""

    decision_id: str
    event_id: str
    login: LoginResult | None = None
    challenge: ChallengeResult | None = None


class Receipt(msgspec.Struct, frozen=True):
    """What became of events that were sent: `rejected` names each that is none by its index, with a reason."""

    accepted: int
    duplicates: int
    rejected: tuple[dict[str, Any], ...] = ()


class Failover(msgspec.Struct, frozen=True):
    """A login that nobody decided on: what was done instead, and why."""

    login: Login
    strategy: Strategy
    error: Unavailable
