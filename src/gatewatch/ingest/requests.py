"""A request's body into records: an object, an array, or lines; each item stands and falls by itself."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import islice

import msgspec

from gatewatch.core.records import MAX_DEAD_LETTER, EventRecord, RejectRecord
from gatewatch.ingest.contract import MAX_LINE, Adapter, Arrival, Framing, Ignored, Line, Refused, rejected
from gatewatch.ingest.documents import opened
from gatewatch.ingest.framing import JsonFramer
from gatewatch.ingest.native import read_native
from gatewatch.ingest.safejson import BOM, MAX_DEPTH, check_depth, decode_items

#: Values (commas, brackets, quotes) that an item may have on average; beyond that a body is no list of events, and
#: taking it apart would cost more than it is worth.
VALUES_PER_ITEM = 400
#: Bits of an item's place in its request, below those that name the request.
_PLACE_BITS = 24


class TooManyItems(Exception):
    """The body holds more items than are allowed, or far too many values."""


class Reading(msgspec.Struct):
    """What a body turned out to hold. `rejects` stand with their index; `duplicates` repeat an event of the body."""

    events: list[EventRecord]
    rejects: list[tuple[int, RejectRecord]]
    duplicates: int = 0
    ignored: int = 0


def read_events(
    body: bytes, lines: bool, arrival: Arrival, identity: bytes, limit: int, depth: int
) -> Reading:
    """Native events (CloudEvents envelopes included). `identity` names the request: items without an id get theirs
    from it. Raises `TooManyItems`.
    """
    found = _Collecting(limit)
    for index, piece in enumerate(pieces(body, lines, limit)):
        if not piece:
            continue
        fallback = f"{identity.hex()}-{index:x}"
        try:
            if depth < MAX_DEPTH:
                check_depth(piece, depth)
            found.take(index, read_native(piece, arrival, fallback))
        except Refused as refusal:
            found.take(index, rejected(refusal, fallback, piece, arrival))
    return found.reading


def read_records(
    body: bytes,
    adapter: type[Adapter],
    lines: bool,
    arrival: Arrival,
    identity: bytes,
    limit: int,
    depth: int,
) -> Reading:
    """What an agent sends in its own format, read as a file would be. Raises `TooManyItems`."""
    reader, found = adapter(identity.hex()), _Collecting(limit)
    base = int.from_bytes(identity) << _PLACE_BITS
    framing: Framing = "lines" if lines else adapter.framing
    for index, piece in enumerate(_opened(pieces(body, framing == "lines", limit), adapter, limit)):
        if not piece:
            continue
        line = _line(piece, base + index, index + 1)
        try:
            if adapter.framing == "json":
                _check(piece, limit, depth)
        except Refused as refusal:
            found.take(index, rejected(refusal, f"{identity.hex()}-{index:x}", piece, arrival))
            continue
        for result in reader.read(line, arrival):
            found.take(index, result)
    return found.reading


def _opened(found: Sequence[bytes], adapter: type[Adapter], limit: int) -> Sequence[bytes]:
    """The pieces, envelopes opened: what they hold is taken like any other item."""
    if not adapter.envelope:
        return found
    inside = [item for piece in found for item in _inside(piece, adapter)]
    if len(inside) > limit:
        raise TooManyItems
    return inside


def _inside(piece: bytes, adapter: type[Adapter]) -> Sequence[bytes]:
    items = opened(piece, adapter.envelope)
    return [piece] if items is None else items


def _check(piece: bytes, limit: int, depth: int) -> None:
    """See that an item is not nested too deeply, and that one which is an array itself does not hold too many."""
    if depth < MAX_DEPTH:
        check_depth(piece, depth)
    if piece[:1] == b"[":
        _elements(piece, limit)


class _Collecting:
    """Results one by one; repeats within the body are told apart from conflicts, which are for the log to settle."""

    def __init__(self, limit: int) -> None:
        self.reading = Reading([], [])
        self._limit = limit
        self._seen: dict[str, bytes] = {}

    def take(self, index: int, result: EventRecord | RejectRecord | Ignored) -> None:
        if isinstance(result, Ignored):
            self.reading.ignored += 1
        elif isinstance(result, RejectRecord):
            self.reading.rejects.append((index, result))
            if len(self.reading.rejects) > self._limit:
                raise TooManyItems
        elif self._seen.get(result.event.event_id) == result.digest:
            self.reading.duplicates += 1
        else:
            self._seen.setdefault(result.event.event_id, result.digest)
            self.reading.events.append(result)
            if len(self.reading.events) > self._limit:  # one line may stand for thousands
                raise TooManyItems


def pieces(body: bytes, lines: bool, limit: int) -> Sequence[bytes]:
    """The items of a body: of an array its elements, the one object, or lines (blank ones are empty)."""
    text = body.removeprefix(BOM).strip()
    if not lines and text[:1] == b"[":
        return _elements(text, limit)
    if not lines and text[:1] == b"{" and (b"\n" not in text or _is_one(text)):
        return [text]
    if text.count(b"\n") >= limit:
        raise TooManyItems
    return [line.strip() for line in text.split(b"\n")] if text else []


def _elements(text: bytes, limit: int) -> Sequence[bytes]:
    values = text.count(b",") + text.count(b"[") + text.count(b"{") + text.count(b'"')
    if values > limit * VALUES_PER_ITEM:
        raise TooManyItems
    try:
        found = decode_items(text)
    except Refused:
        # Something in it is broken or too deep: taken apart element by element, it harms no other.
        found = [line.data for line in islice(_framed(text), limit + 1)] or [text]
    if len(found) > limit:
        raise TooManyItems
    return found


def _framed(text: bytes) -> Iterator[Line]:
    framer = JsonFramer()
    yield from framer.feed(text)
    yield from framer.end()


def _is_one(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return False
    return True


def _line(piece: bytes, offset: int, number: int) -> Line:
    if len(piece) <= MAX_LINE:
        return Line(piece, offset, number)
    return Line(piece[:MAX_DEAD_LETTER], offset, number, len(piece), sha256(piece).hexdigest())
