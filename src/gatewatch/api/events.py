"""Ingest: `POST /v1/events` in our own format, `POST /v1/ingest/{connector}` in the formats of others.

These are the hot routes: plain Starlette routes over the raw body, with their OpenAPI in `events_openapi`. Nothing is
answered with 202 before it is durable in the log.
"""

import secrets
from collections.abc import Sequence
from hashlib import blake2b
from typing import cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatewatch import metrics
from gatewatch.access_ports import Principal
from gatewatch.api.appending import Appender
from gatewatch.api.problems import Problem
from gatewatch.api.quota import Quota
from gatewatch.api.threads import Threads
from gatewatch.api.tracing import ingesting
from gatewatch.api.unpacking import Packing, packing, unpacked
from gatewatch.core import records
from gatewatch.core.records import EventRecord, RejectRecord
from gatewatch.ingest.contract import Arrival
from gatewatch.ingest.registry import ADAPTERS
from gatewatch.ingest.requests import Reading, TooManyItems, read_events, read_records
from gatewatch.ports import BadData, Clock
from gatewatch.settings import Settings
from gatewatch.tracing_ports import Tracing

#: Bodies from this size on, and packed ones, are read in a thread, so many at a time; and so many may wait.
LARGE = 32 << 10
READING = 2
WAITING = 32
#: The longest Idempotency-Key.
LONGEST_KEY = 256


class Rejected(msgspec.Struct, frozen=True):
    """An item that is no event: where it stood, a stable reason code, and one plain sentence."""

    index: int
    type: str
    detail: str


class Receipt(msgspec.Struct, frozen=True):
    """What became of a request's items. `duplicates` repeat another of the same request."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]


class AgentReceipt(Receipt, frozen=True):
    """As `Receipt`; `ignored` are lines that are no logins."""

    ignored: int


class Ingest:
    """What the ingest routes of one process work with."""

    def __init__(
        self, appender: Appender, clock: Clock, settings: Settings, tracing: Tracing | None = None
    ) -> None:
        self._tracing = tracing
        self._appender, self._clock, self._settings = appender, clock, settings
        self._reading = Threads(READING, WAITING)
        self._letters = Quota(settings.dead_letters_per_key)

    async def events(self, request: Request) -> Response:
        """Take native events."""
        caller, how = _caller(request), packing(request.headers, text=False)
        arrival, identity = self._arrival(caller, "native"), _identity(request, caller, "native")
        with ingesting(self._tracing, request.headers, "native") as trace:
            found = await self._read(request, how, arrival, identity)
            await self._append(found.events, trace)
        self._count(caller, "native", found)
        return _answer(Receipt(len(found.events), found.duplicates, _rejects(found)), found)

    async def records(self, request: Request) -> Response:
        """Take what an agent sends. It does not read answers: what is rejected becomes a dead letter as well."""
        connector = request.path_params["connector"]
        if connector not in ADAPTERS:
            raise Problem("not_found", f"There is no connector of that name: {', '.join(ADAPTERS)}.")
        caller, how = _caller(request), packing(request.headers, text=True)
        arrival, identity = self._arrival(caller, connector), _identity(request, caller, connector)
        with ingesting(self._tracing, request.headers, connector) as trace:
            found = await self._read(request, how, arrival, identity, connector)
            letters = [letter for _, letter in found.rejects]
            kept = letters[: self._letters.take(caller.subject, len(letters), arrival.received)]
            await self._append([*found.events, *kept], trace)
        self._count(caller, connector, found)
        receipt = AgentReceipt(len(found.events), found.duplicates, _rejects(found), found.ignored)
        return _answer(receipt, found)

    def _arrival(self, caller: Principal, source: str) -> Arrival:
        return Arrival(tenant_id=caller.tenant, received=self._clock.now(), source=source)

    async def _read(
        self, request: Request, how: Packing, arrival: Arrival, identity: bytes, connector: str = ""
    ) -> Reading:
        body = await request.body()
        if not body:
            raise Problem("invalid", "The body is empty.")
        work = (body, how, arrival, identity, connector)
        try:
            if how.gzip or len(body) >= LARGE:
                return await self._reading.run(self._take_apart, *work)
            return self._take_apart(*work)
        except TooManyItems:
            raise Problem(
                "too_many_items", f"{self._settings.item_limit:,} items are allowed in a request."
            ) from None

    def _take_apart(
        self, body: bytes, how: Packing, arrival: Arrival, identity: bytes, connector: str
    ) -> Reading:
        limits = self._settings
        data = unpacked(body, limits.decompressed_limit) if how.gzip else body
        bounds = (arrival, identity, limits.item_limit, limits.depth_limit)
        if connector:
            return read_records(data, ADAPTERS[connector], how.lines, *bounds)
        return read_events(data, how.lines, *bounds)

    async def _append(self, found: Sequence[EventRecord | RejectRecord], trace: str) -> None:
        if not found:
            return
        try:
            await self._appender.append([(record.key, records.encode(record)) for record in found], trace)
        except BadData:
            raise Problem("invalid", "The log refuses a value of this request.") from None

    @staticmethod
    def _count(caller: Principal, source: str, found: Reading) -> None:
        results: dict[metrics.Became, int] = {
            "accepted": len(found.events),
            "duplicate": found.duplicates,
            "ignored": found.ignored,
            "rejected": len(found.rejects),
        }
        for result, count in results.items():
            if count:
                metrics.INGESTED.add(source, result, by=count)
        for _, letter in found.rejects:
            metrics.INGEST_REJECTS.add(caller.subject.partition(":")[2], letter.reason)


def _caller(request: Request) -> Principal:
    return cast(Principal, request.state.principal)


def _identity(request: Request, caller: Principal, connector: str) -> bytes:
    """What items without an id get theirs from: the same for a request that is sent again under the same key."""
    key = request.headers.get("idempotency-key", "")
    if len(key) > LONGEST_KEY:
        raise Problem("invalid", f"An Idempotency-Key has at most {LONGEST_KEY} characters.")
    if not key:
        return secrets.token_bytes(16)
    said = "\0".join((caller.tenant, connector, key)).encode("utf-8", "surrogatepass")
    return blake2b(said, digest_size=16).digest()


def _rejects(found: Reading) -> list[Rejected]:
    return [Rejected(index, letter.reason, letter.detail) for index, letter in found.rejects]


def _answer(receipt: Receipt, found: Reading) -> Response:
    if found.rejects and not (found.events or found.duplicates or found.ignored):
        raise Problem("all_rejected", **msgspec.structs.asdict(receipt))
    return Response(msgspec.json.encode(receipt), 202, media_type="application/json")


def _ingest(request: Request) -> Ingest:
    return cast(Ingest, request.app.state.ingest)


async def _events(request: Request) -> Response:
    return await _ingest(request).events(request)


async def _records(request: Request) -> Response:
    return await _ingest(request).records(request)


routes = [
    Route("/v1/events", _events, methods=["POST"], name="events"),
    Route("/v1/ingest/{connector}", _records, methods=["POST"], name="ingest"),
]


def sizes(settings: Settings) -> dict[str, int]:
    """The most bytes of a body, by route."""
    return {route.path: settings.body_limit for route in routes}
