"""What decisions need from the world, as Protocols and values. All raise `ports.Unavailable`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import msgspec

from gatewatch.core.policy import Policy
from gatewatch.core.profiles import Profile
from gatewatch.core.records import EventRecord, Record
from gatewatch.ports import SourceView
from gatewatch.read_ports import StoredDecision, Told

#: What may be degraded in the state itself: a profile that this version cannot read, views that are not up to date.
StatePart = Literal["profile", "source_views"]


class Known(msgspec.Struct, frozen=True):
    """What is known of a login's user and sources, read at one moment.

    `views` has those of the sources and of the tenant that have one, by kind; `behind` is how far the detector of the
    user's partition is behind, in seconds; `missing` names what could not be had.
    """

    profile: Profile | None
    policy: Policy
    views: Mapping[str, SourceView]
    behind: float
    missing: tuple[StatePart, ...] = ()


class Kept(NamedTuple):
    """What stands under a decision's id: whether it is what was claimed for now, the digest of what was asked, and the
    bytes that were answered.
    """

    claimed: bool
    digest: bytes
    answer: bytes


class DecisionStore(Protocol):
    """Where decisions read and what keeps them, for all tenants. Safe for several threads."""

    def known(self, tenant_id: str, user_key: str, sources: Mapping[str, str]) -> Known:
        """What is known of a user and of the sources of a login, by kind (ip, prefix, asn), in one round trip."""
        ...

    def frequencies(
        self, tenant_id: str
    ) -> tuple[Iterable[tuple[int, str, str, int]], Iterable[tuple[int, str, int, bytes]]]:
        """All that is counted of a tenant's logins: (part, attribute, value, n), (part, attribute, chunk, counters)."""
        ...

    def keep(self, id: str, record: EventRecord, answer: bytes) -> Kept:
        """Claim the id for this record and answer, with the record on the log; or what claimed it before.

        When this returns, what stands under the id is durable and so is its record on the log. A log that is part of
        the store appends in the same statement; for any other the row is claimed first, and whoever meets a row whose
        append is unproven appends its record again (a repeat changes nothing). Raises `BadData` where a value is
        refused; then nothing is claimed.
        """
        ...

    def find(self, tenant_id: str, id: str) -> StoredDecision | None:
        """What is kept under an id."""
        ...

    def tell(self, decision: StoredDecision, told: Told, records: Sequence[Record]) -> bool:
        """Remember what was reported and append what follows from it, in one; False where it is no longer as it was
        found (`decision.told`): then nothing is done.
        """
        ...
