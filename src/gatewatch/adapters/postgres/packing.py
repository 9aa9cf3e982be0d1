"""Events as PostgreSQL reads them: rows of COPY in its binary format, packed as soon as they are made.

As a tuple a row would keep two dozen objects until its batch is stored, and be read and freed when none of them is in a
cache any more. See https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS and, for arrays,
`array_recv`. A text that no column may hold (one with a NUL) is refused by PostgreSQL, not here.
"""

from collections.abc import Sequence
from struct import Struct

from gatewatch.ports import EventRow, PackedEvent

#: What a COPY begins and ends with.
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_NULL = b"\xff\xff\xff\xff"
_COLUMNS = (24).to_bytes(2, "big")
_size = Struct("!i").pack
_two_int8 = Struct("!iqiq").pack
_int8 = Struct("!iq").pack
_int2 = Struct("!ih").pack
_change = Struct("!i?ihi?iq").pack
#: The sizes that are met again and again.
_SIZES = [_size(size) for size in range(4_096)]
#: An array of texts: one dimension, no NULL, the type's OID; its length; the lower bound.
_ARRAY_OF_TEXTS = Struct("!iiIii").pack
_TEXT = 25
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
            _COLUMNS,
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


def _texts(texts: Sequence[str]) -> bytes:
    found = [_ARRAY_OF_TEXTS(1, 0, _TEXT, len(texts), 1)]
    for text in texts:
        data = text.encode()
        found += _sized(data), data
    whole = b"".join(found)
    return _sized(whole) + whole
