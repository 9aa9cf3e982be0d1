"""Rows and arrays as PostgreSQL reads them: COPY's binary format, and what `array_recv` takes.

An event's row is packed as soon as it is made: as a tuple it would keep two dozen objects until its batch is stored,
and be read and freed when none of them is in a cache any more. A text that no column may hold (one with a NUL) is
refused by PostgreSQL, not here. See
https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS.
"""

from collections.abc import Sequence
from struct import Struct

from gatewatch.ports import BucketKey, EventRow, PackedEvent, TenantKey, UserRow

#: What a COPY begins and ends with.
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_NULL = b"\xff\xff\xff\xff"
_EVENT, _USER, _BUCKET = ((n).to_bytes(2, "big") for n in (24, 8, 5))
_size = Struct("!i").pack
_two_int8 = Struct("!iqiq").pack
_int8 = Struct("!iq").pack
_int2 = Struct("!ih").pack
_change = Struct("!i?ihi?iq").pack
_standing = Struct("!iqidi?").pack
#: The sizes that are met again and again.
_SIZES = [_size(size) for size in range(4_096)]
#: An array begins with how many dimensions it has, whether a NULL, and its elements' OID; then, of its one dimension,
#: how long it is and where it begins.
_array = Struct("!iiIii").pack
_TEXT, _INT8, _BYTEA = 25, 20, 17
_NO_TEXTS = Struct("!iiiI").pack(12, 0, 0, _TEXT)
#: Columns of few values, as they were packed before; so many are kept.
WORDS: dict[str | None, bytes] = {None: _NULL}
MOST_WORDS = 4_096


def event(row: EventRow) -> PackedEvent:
    """An event's row; its numbers are those of events, which fit their columns."""
    (
        tenant_id,
        event_id,
        time,
        received,
        source,
        activity,
        outcome,
        reason_class,
        user_key,
        ip,
        asn,
        country,
        score,
        level,
        detectors,
        late,
        weight,
        held,
        offset,
        digest,
        context,
        packed,
        assessment,
        raw,
    ) = row
    id, user, said = event_id.encode(), user_key.encode(), assessment.encode()
    place = ip.encode() if ip is not None else None
    whole = b"".join(
        (
            _EVENT,
            _word(tenant_id),
            _sized(id),
            id,
            _two_int8(8, time, 8, received),
            _word(source),
            _word(activity),
            _word(outcome),
            _word(reason_class),
            _sized(user),
            user,
            _sized(place) if place is not None else _NULL,
            place or b"",
            _int8(8, asn) if asn is not None else _NULL,
            _word(country),
            _int2(2, score),
            _word(level),
            _texts(detectors) if detectors else _NO_TEXTS,
            _change(1, late, 2, weight, 1, held, 8, offset),
            _sized(digest),
            digest,
            _sized(context),
            context,
            _sized(packed),
            packed,
            _sized(said),
            said,
            _sized(raw),
            raw,
        )
    )
    kept = (tenant_id, event_id, time, received, source, outcome, offset, whole)
    return tuple.__new__(PackedEvent, kept)  # what `PackedEvent(*kept)` does by way of interpreted code


def _sized(data: bytes) -> bytes:
    size = len(data)
    return _SIZES[size] if size < 4_096 else _size(size)


def _word(text: str | None) -> bytes:
    found = WORDS.get(text)
    if found is None and text is not None:
        data = text.encode()
        found = _sized(data) + data
        if len(WORDS) >= MOST_WORDS:
            WORDS.clear()
            WORDS[None] = _NULL
        WORDS[text] = found
    return found or _NULL


def user(key: TenantKey, row: UserRow) -> bytes:
    """A user's row, for the staging table of profiles."""
    profile, name, user_id, last_seen, risk, has_history = row
    id, shown, given = key[1].encode(), name.encode(), user_id.encode()
    return b"".join(
        (
            *(_USER, _word(key[0]), _sized(id), id, _sized(profile), profile),
            *(_sized(shown), shown, _sized(given), given, _standing(8, last_seen, 8, risk, 1, has_history)),
        )
    )


def bucket(key: BucketKey, state: bytes) -> bytes:
    """A bucket's row, for the staging table of buckets."""
    tenant_id, kind, value, index = key
    source = value.encode()
    return b"".join(
        (
            _BUCKET,
            _word(tenant_id),
            _word(kind),
            _sized(source),
            source,
            _int8(8, index),
            _sized(state),
            state,
        )
    )


def texts(found: Sequence[str]) -> bytes:
    """An array of texts, of at least one."""
    return _array_of(_TEXT, [text.encode() for text in found])


def blobs(found: Sequence[bytes]) -> bytes:
    """An array of bytes, of at least one."""
    return _array_of(_BYTEA, found)


def _array_of(kind: int, found: Sequence[bytes]) -> bytes:
    parts = [_array(1, 0, kind, len(found), 1)]
    for data in found:
        parts += _sized(data), data
    return b"".join(parts)


def numbers(found: Sequence[int]) -> bytes:
    """An array of numbers of eight bytes, of at least one."""
    return b"".join([_array(1, 0, _INT8, len(found), 1), *[_int8(8, number) for number in found]])


def _texts(found: Sequence[str]) -> bytes:
    whole = texts(found)
    return _sized(whole) + whole
