"""Inline decisions: `POST /v1/decisions` while a login waits, `PATCH /v1/decisions/{id}` when it is known how it ended.

A hot route: a plain Starlette route over the raw body, with its OpenAPI in `decisions_openapi`. What is answered is
durable; where that cannot be, the answer is 503 and the caller falls back on its own strategy.
"""

import secrets
from asyncio import get_running_loop
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import TypeVar, TypeVarTuple, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatewatch import metrics
from gatewatch.access_ports import Principal
from gatewatch.api.events import LONGEST_KEY
from gatewatch.api.problems import Problem, retry
from gatewatch.ingest.contract import Arrival, Refused
from gatewatch.ingest.decisions import read_decision, read_report
from gatewatch.ports import BadData, Clock
from gatewatch.read_ports import StoredDecision, TooCostly
from gatewatch.services.decisions import (
    Decided,
    DecisionConflict,
    Decisions,
    ReportConflict,
    TooOld,
    UnknownDecision,
)

#: Decisions that may wait for a thread: a fraction of a second's worth, since a client gives up after a second.
WAITING = 32
#: Where events come from that were decided on.
SOURCE = "decision"


Given = TypeVarTuple("Given")
Result = TypeVar("Result")


class Outcome(msgspec.Struct, frozen=True):
    """What is known of how a login ended that was decided on, null for what nobody reported."""

    decision_id: str
    event_id: str
    login: str | None
    challenge: str | None


class Deciding:
    """What the decision routes of one process work with; so many decisions are made at once."""

    def __init__(self, decisions: Decisions, clock: Clock, threads: int) -> None:
        self._decisions, self._clock = decisions, clock
        self._threads = ThreadPoolExecutor(threads, "deciding")
        self._asking, self._most = 0, threads + WAITING

    def is_full(self) -> bool:
        """Whether so much waits that another would wait too long."""
        return self._asking >= self._most

    async def decide(self, request: Request) -> Response:
        """Decide on a login."""
        arrival, body = await self._read(request)
        asked = read_decision(body, arrival, _fallback_id(request, arrival))
        decided = await self._run(self._decisions.decide, asked)
        _count(decided, asked.dry_run, (self._clock.now() - arrival.received) / 1e6)
        return Response(decided.answer, media_type="application/json")

    async def report(self, request: Request) -> Response:
        """Take how a login or its challenge ended."""
        arrival, body = await self._read(request)
        work = (request.path_params["id"], read_report(body), body, arrival)
        found = await self._run(self._decisions.report, *work)
        return Response(msgspec.json.encode(_outcome(found)), media_type="application/json")

    async def _run(self, work: Callable[[*Given], Result], *given: *Given) -> Result:
        # Not `Threads`: a hop into threads of our own costs less than one into anyio's, and each login makes one.
        if self.is_full():
            raise retry("overloaded")
        self._asking += 1
        try:
            return await get_running_loop().run_in_executor(self._threads, work, *given)
        finally:
            self._asking -= 1

    def close(self) -> None:
        """Let what is under way end."""
        self._threads.shutdown()
        self._decisions.close()

    async def _read(self, request: Request) -> tuple[Arrival, bytes]:
        _check_type(request)
        arrival = Arrival(tenant_id=_caller(request).tenant, received=self._clock.now(), source=SOURCE)
        body = await request.body()
        if not body:
            raise Problem("invalid", "The body is empty.")
        return arrival, body


def _check_type(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("", "application/json"):
        raise Problem(
            "unsupported_media_type", "Send application/json.", headers={"Accept": "application/json"}
        )
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem("unsupported_media_type", "Send no encoding.", headers={"Accept-Encoding": "identity"})


def _caller(request: Request) -> Principal:
    return cast(Principal, request.state.principal)


def _fallback_id(request: Request, arrival: Arrival) -> str:
    """The id of an event that brings none: the same for a request that is sent again under the same key."""
    key = request.headers.get("idempotency-key", "")
    if len(key) > LONGEST_KEY:
        raise Problem("invalid", f"An Idempotency-Key has at most {LONGEST_KEY} characters.")
    if not key:
        return secrets.token_hex(16)
    said = "\0".join((arrival.tenant_id, SOURCE, key)).encode("utf-8", "surrogatepass")
    return blake2b(said, digest_size=16).hexdigest()


def _count(decided: Decided, dry_run: bool, seconds: float) -> None:
    decision = decided.decision
    result = "dry_run" if dry_run else decision.action if decided.first else "repeat"
    metrics.DECISIONS.add(result, decision.would_action)
    for part in decision.degraded:
        metrics.DECISIONS_DEGRADED.add(part)
    metrics.DECISION_SECONDS.observe(seconds)


def _outcome(found: StoredDecision) -> Outcome:
    told = found.told
    return Outcome(found.id, found.record.event.event_id, told.login or None, told.challenge or None)


async def _decide(request: Request) -> Response:
    try:
        return await _deciding(request).decide(request)
    except Refused as refusal:
        raise _refused(refusal) from None
    except TooOld:
        raise Problem("invalid", "The login is older than events are kept.", reason="too_old") from None
    except BadData:
        raise Problem("invalid", "The database refuses a value of this request.") from None
    except DecisionConflict:
        raise Problem("conflict", "This event_id was decided on with another body.") from None
    except TooCostly:
        raise retry("overloaded") from None


async def _report(request: Request) -> Response:
    try:
        return await _deciding(request).report(request)
    except Refused as refusal:
        raise _refused(refusal) from None
    except BadData:
        raise Problem("not_found") from None
    except UnknownDecision:
        raise Problem("not_found", "There is no decision of that id.") from None
    except ReportConflict as error:
        told = {"login": error.told.login or None, "challenge": error.told.challenge or None}
        raise Problem("conflict", "Something else was reported before.", current=told) from None
    except TooCostly:
        raise retry("overloaded") from None


def _refused(refusal: Refused) -> Problem:
    return Problem("invalid", refusal.detail, reason=refusal.reason)


def _deciding(request: Request) -> Deciding:
    return cast(Deciding, request.app.state.deciding)


routes = [
    Route("/v1/decisions", _decide, methods=["POST"], name="decide"),
    Route("/v1/decisions/{id}", _report, methods=["PATCH"], name="report"),
]
