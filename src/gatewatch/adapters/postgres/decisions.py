"""Decisions on PostgreSQL, where the log is part of the store (see `decision_ports.DecisionStore`)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import msgspec

from gatewatch.adapters.postgres.connection import Row
from gatewatch.adapters.postgres.statements import load
from gatewatch.adapters.postgres.tenancy import TenantPool
from gatewatch.core import policy, profiles, records
from gatewatch.core.partitioning import partition_of
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.profiles import Profile
from gatewatch.core.records import EventRecord, Record
from gatewatch.core.shares import Share
from gatewatch.core.sources import Slice
from gatewatch.decision_ports import Kept, Known, StatePart
from gatewatch.ports import LOGINS, OpenFinding, SourceKey, SourceView, StaleRoute, Unavailable
from gatewatch.read_ports import StoredDecision, Told

_SQL = load("decisions.sql")
#: Reads one decision, within a tenant's transaction.
DECISION = _SQL["find"]
#: The sources that have views, in the order that the database answers in.
KINDS = ("ip", "prefix", "asn", "tenant")
#: The most views that are remembered. A tenant's own has up to 100 kB and changes with every review at most.
MOST_VIEWS = 1_024
#: The most tenants whose policy is remembered.
MOST_POLICIES = 10_000

K = TypeVar("K")
V = TypeVar("V")

_shares = msgspec.msgpack.Decoder(dict[int, dict[int, Slice]]).decode
_findings = msgspec.msgpack.Decoder(tuple[OpenFinding, ...]).decode


class _Route(NamedTuple):
    """What the partition of a key is found by."""

    partitions: int
    generation: int


class _View(NamedTuple):
    """A view, and when it was written: what tells one version from the next."""

    written: datetime
    view: SourceView


class PostgresDecisions:
    """What a login waits for is one statement each, hence one round trip. What is remembered here is only what the
    database has said to be unchanged.
    """

    def __init__(self, pool: TenantPool) -> None:
        self._pool, self._lock = pool, Lock()
        self._route: _Route | None = None
        self._policies: dict[str, Policy] = {}
        self._views: dict[SourceKey, _View] = {}

    def known(self, tenant_id: str, user_key: str, sources: Mapping[str, str]) -> Known:
        """What is known of a user and sources."""
        keys = [(tenant_id, kind, sources.get(kind, "")) for kind in KINDS]
        ip, prefix, asn, tenant = remembered = [self._views.get(key) for key in keys]
        policy_known = self._policies.get(tenant_id, DEFAULT)
        route = self._route or self._read_route()
        ((packed, body, behind, written, shares, findings, waiting),) = self._rows(
            "known",
            tenant=tenant_id,
            user=user_key,
            topic=LOGINS,
            part=partition_of(f"{tenant_id}:{user_key}", route.partitions),
            revision=policy_known.revision,
            ip=sources.get("ip"),
            prefix=sources.get("prefix"),
            asn=sources.get("asn"),
            ip_written=ip and ip.written,
            prefix_written=prefix and prefix.written,
            asn_written=asn and asn.written,
            tenant_written=tenant and tenant.written,
        )
        views: dict[str, SourceView] = {}
        for key, known, *row in zip(keys, remembered, written, shares, findings, strict=True):
            if row[0] is not None:
                views[key[1]] = self._view(key, known, *row)
        profile, missing = _profile(packed)
        if waiting:
            missing = (*missing, "source_views")
        in_force = policy_known if body is None else self._policy(tenant_id, body)
        return Known(profile, in_force, views, behind, missing)

    def _policy(self, tenant_id: str, body: str) -> Policy:
        found = policy.decode(body)
        with self._lock:
            _remember(self._policies, tenant_id, found, MOST_POLICIES)
        return found

    def _view(
        self, key: SourceKey, known: _View | None, written: datetime, shares: bytes, findings: bytes
    ) -> SourceView:
        if known is not None and known.written == written:
            self._used(key, known)
            return known.view
        view = SourceView(
            {part: Share(slices) for part, slices in _shares(shares).items()}, _findings(findings)
        )
        for share in view.shares.values():
            share.numbers_at_end(0)  # its sums are made once, here, before other threads see it
        self._used(key, _View(written, view))
        return view

    def _used(self, key: SourceKey, view: _View) -> None:
        with self._lock:
            _remember(self._views, key, view, MOST_VIEWS)

    def frequencies(
        self, tenant_id: str
    ) -> tuple[Iterable[tuple[int, str, str, int]], Iterable[tuple[int, str, int, bytes]]]:
        """All counts of a tenant's values."""
        rows = self._rows("counts", tenant=tenant_id)
        counts = [(part, name, value, n) for part, name, value, n, chunk, _ in rows if chunk is None]
        return counts, [
            (part, name, chunk, data) for part, name, _, _, chunk, data in rows if chunk is not None
        ]

    def keep(self, id: str, record: EventRecord, answer: bytes) -> Kept:
        """Claim and append, in one statement."""
        wanted = {"tenant": record.tenant_id, "id": id, "digest": record.digest}
        wanted |= {"record": records.encode(record), "answer": answer}
        ((claimed, digest, kept),) = self._appending("keep", record.key, wanted)
        return Kept(claimed, digest, kept)

    def find(self, tenant_id: str, id: str) -> StoredDecision | None:
        """What is kept under an id."""
        rows = self._pool.of(tenant_id).rows(DECISION, {"id": id})
        return stored_decision(rows[0]) if rows else None

    def tell(self, decision: StoredDecision, told: Told, found: Sequence[Record]) -> bool:
        """Remember and append, in one statement."""
        wanted = telling(decision, told, found)
        ((done,),) = self._appending("tell", decision.record.key, wanted)
        return bool(done)

    def _appending(self, name: str, key: str, wanted: Mapping[str, Any]) -> list[Row]:
        """Run a statement that appends under a key, to the partition that it has now."""
        while True:
            route = self._route or self._read_route()
            part = partition_of(key, route.partitions)
            try:
                return self._rows(
                    name, **wanted, topic=LOGINS, generation=route.generation, part=part, key=key
                )
            except StaleRoute:
                self._route = None

    def _read_route(self) -> _Route:
        rows = self._rows("topic", topic=LOGINS)
        if not rows:
            raise Unavailable(f"topic {LOGINS} does not exist yet")
        route = self._route = _Route(*rows[0])
        return route

    def _rows(self, name: str, **parameters: Any) -> list[Row]:
        with self._pool.lent() as session:
            return session.rows(_SQL[name], parameters)


def telling(decision: StoredDecision, told: Told, found: Sequence[Record]) -> dict[str, Any]:
    """What a report is stored with."""
    was = decision.told
    return {
        "tenant": decision.record.tenant_id,
        "id": decision.id,
        "login_was": was.login,
        "challenge_was": was.challenge,
        "login": told.login,
        "challenge": told.challenge,
        "values": [records.encode(record) for record in found],
    }


def _remember(remembered: dict[K, V], key: K, value: V, most: int) -> None:
    """Remember what was used last; what was used longest ago makes room."""
    remembered.pop(key, None)
    while len(remembered) >= most:
        del remembered[next(iter(remembered))]
    remembered[key] = value


def stored_decision(row: Row) -> StoredDecision:
    """A row of `find`."""
    record = records.decode(row[1])
    assert isinstance(record, EventRecord)
    return StoredDecision(row[0], record, row[2], row[3], Told(row[4], row[5]))


def _profile(packed: bytes | None) -> tuple[Profile | None, tuple[StatePart, ...]]:
    if packed is None:
        return None, ()
    try:
        return profiles.decode(packed), ()
    except msgspec.DecodeError:  # of a newer version, while an upgrade is under way
        return None, ("profile",)
