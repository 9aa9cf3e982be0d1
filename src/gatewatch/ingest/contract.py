"""What an adapter takes and gives, and how a record gets its identity.

Every line ends in exactly one of three ways: as n events (a "message repeated N times" gives N, an array its items),
as ignored with a reason code, or as a reject, which becomes a dead letter. Bad input never raises.
"""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from hashlib import blake2b, sha256
from typing import ClassVar, Literal, Protocol

import msgspec

from gatewatch.core.events import LoginEvent
from gatewatch.core.records import MAX_DEAD_LETTER, EventRecord, RejectRecord
from gatewatch.core.times import MINUTE

#: The longest line (or JSON element of a document) that is read, in bytes; longer ones become rejects.
MAX_LINE = 1 << 20
#: How far ahead of its arrival an event's time may lie, in µs; later ones are clamped to the arrival and flagged.
MAX_AHEAD = 5 * MINUTE

#: How a file falls into pieces: one per line, or (for `json`) one per line or per element of a JSON document.
Framing = Literal["lines", "json"]


#: Why a record is rejected; each is a dead letter's `reason`, and each detail says more.
RejectReason = Literal[
    "line_too_long",  # over MAX_LINE; only its head is kept
    "bad_json",  # no JSON, NaN and Infinity included
    "bad_encoding",  # no UTF-8
    "too_deep",  # nested over safejson.MAX_DEPTH
    "number_out_of_range",  # such as 1e130000: no store has a place for it
    "not_an_object",  # JSON, but no object
    "bad_csv",  # not the header's number of fields, or a quote without end
    "bad_header",  # a CSV without its header
    "not_syslog",  # no time stamp at its beginning
    "bad_sshd_line",  # an attempt that does not name user and address as sshd does
    "bad_repeat",  # "message repeated N times" with an absurd N
    "missing_field",  # no outcome
    "unknown_outcome",
    "unknown_type",  # no kind of authentication event that is known
    "bad_field",  # a field of the wrong type or range
    "no_time",
    "bad_time",  # a text that is no moment, a day alone included
    "time_out_of_range",  # before 1970 or after 9999
    "bad_address",
    "no_subject",  # neither user nor address
    "too_large",  # a message of a vendor's topic over the limit of a body, as sent or decompressed
    "bad_gzip",  # a message that begins as gzip and is none
    "too_many_items",  # a message with more events than the limit of a request
]
#: Why a line needs no attention.
IgnoreReason = Literal[
    "blank",
    "empty_array",
    "header",  # of a CSV
    "not_sshd",  # another process's
    "invalid_user_notice",  # announces an attempt; the Failed line is the attempt
    "pam_detail",  # PAM's view of an attempt that sshd reports itself
    "partial_authentication",  # one factor of several
    "too_many_failures",  # sums up attempts that were reported one by one
    "connection",
    "session",
    "server",
    "sshd_other",
    "not_a_login",  # another kind of event, or of log
    "application_sign_in",  # of no person
    "admin_event",
]


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """How a record came: to which tenant, when (µs), through which connector and import.

    `zone` is what times without a zone are read in; `origin` names the import ("" for none).
    """

    tenant_id: str
    received: int
    source: str
    origin: str = ""
    zone: tzinfo = UTC


class Line(msgspec.Struct, frozen=True, gc=False):
    """A piece of a file: its bytes without line end, the offset of the first (decompressed), its number from 1.

    A piece over `MAX_LINE` holds its first `MAX_DEAD_LETTER` bytes, `truncated_size` its full size in bytes (else 0)
    and `sha256` (hex) of all of them.
    """

    data: bytes
    offset: int
    number: int
    truncated_size: int = 0
    sha256: str = ""


class Ignored(msgspec.Struct, frozen=True, gc=False):
    """A line that is no login and needs no attention: `reason` is a stable code, `number` the line's."""

    reason: IgnoreReason
    number: int


Result = EventRecord | RejectRecord | Ignored


class Adapter(Protocol):
    """Reads one kind of file. Made once per file, so that it may remember a header; `identity` is the file's (hex).

    `envelope` has the names under which an object may hold an array of records (see `documents.opened`).
    """

    framing: ClassVar[Framing]
    envelope: ClassVar[tuple[str, ...]]

    def __init__(self, identity: str) -> None: ...

    def read(self, line: Line, arrival: Arrival) -> Sequence[Result]:
        """What became of the line: at least one result, and never an exception for bad input."""
        ...


class Refused(Exception):
    """A record is no event: `reason` is a stable code, `detail` one plain sentence."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def file_identity(first_line: bytes) -> str:
    """16 hex digits that identify a file by its first line, under whatever name and however it grew since."""
    return blake2b(first_line, digest_size=8).hexdigest()


def generated_id(identity: str, offset: int, repeat: int, content: bytes) -> str:
    """The id of an event whose source gives none: the same at each import, sorted as the file is.

    `<8 hex of the file>-<offset, 12 hex>-<repeat or item, 4 hex>-<8 hex of the content>`: equal lines stay apart.
    """
    return f"{identity[:8]}-{offset:012x}-{repeat:04x}-{blake2b(content, digest_size=4).hexdigest()}"


def rejected(refusal: Refused, id: str, raw: bytes, arrival: Arrival) -> RejectRecord:
    """The reject of a record that is wholly at hand."""
    return RejectRecord(
        id=id,
        tenant_id=arrival.tenant_id,
        source=arrival.source,
        reason=refusal.reason,
        detail=refusal.detail,
        raw=raw[:MAX_DEAD_LETTER],
        size=len(raw),
        sha256=sha256(raw).hexdigest(),
        received=arrival.received,
        origin=arrival.origin,
    )


def too_long(line: Line, id: str, arrival: Arrival) -> RejectRecord:
    """The reject of a line that was too long to be kept whole."""
    return RejectRecord(
        id=id,
        tenant_id=arrival.tenant_id,
        source=arrival.source,
        reason="line_too_long",
        detail=f"The line has {line.truncated_size:,} bytes; {MAX_LINE:,} are allowed.",
        raw=line.data[:MAX_DEAD_LETTER],
        size=line.truncated_size,
        sha256=line.sha256,
        received=arrival.received,
        origin=arrival.origin,
    )


_content = msgspec.msgpack.Encoder(order="deterministic")


def record(event: LoginEvent, raw: bytes, arrival: Arrival, *, stamp: str = "") -> EventRecord:
    """The record of an event whose time is as the source gave it; clamps the time and takes the digest before that.

    `stamp` is the text of a time whose year was resolved: it stands in for the time in the digest, so that the same
    line read in another year is the same content. Raises `Refused` for an event of nobody from nowhere.
    """
    if not (event.ip or event.user.name.strip() or event.user.id.strip()):
        raise Refused("no_subject", "The event names neither a user nor an address.")
    digest = _digest(event, stamp)
    ahead = event.time > arrival.received + MAX_AHEAD
    if ahead:
        flags = (*event.flags, "time_clamped")
        event = msgspec.structs.replace(event, time=arrival.received, flags=flags)
    return EventRecord(event, raw, digest, arrival.received, ahead or bool(stamp), arrival.origin)


def _digest(event: LoginEvent, stamp: str) -> bytes:
    # Of what the source said, not of its bytes: a repeat may be spelt otherwise. Tenant, connector and flags are ours.
    said = (
        (stamp or event.time, event.activity, event.outcome, event.reason, event.reason_class, event.user),
        (event.ip, event.port, event.hostname, event.geo, event.asn, event.ua, event.device_id),
        (event.session_id, event.auth, event.app, event.extra),
    )
    return blake2b(_content.encode(said), digest_size=16).digest()
