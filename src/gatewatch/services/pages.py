"""Pages of a list. An opaque cursor says where the next page begins, and of which list, filter and order it is.

A page begins behind the sort key and the id of the row that ended the one before: rows that were there at the first
page and kept their sort key appear exactly once, whatever comes in meanwhile.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Generic, TypeVar

import msgspec

from gatewatch.core.times import DAY, MAX_TIME, MIN_TIME, from_datetime, to_datetime
from gatewatch.read_ports import AnomalyFilter, DeadLetterFilter, EventFilter, Position, UserFilter

#: How far a list reaches back where nobody says, and the most rows of a page.
DEFAULT_RANGE = timedelta(hours=24)
MOST = 500
#: Between these a range may lie.
EARLIEST, LATEST = to_datetime(MIN_TIME), to_datetime(MAX_TIME - 400 * DAY)
#: Characters of a cursor that may be one of ours: an id of 512 characters, packed and in base 64, and the rest.
_LONGEST = 4_096

Wanted = TypeVar("Wanted", EventFilter, AnomalyFilter, UserFilter, DeadLetterFilter)
Found = TypeVar("Found")
Shown = TypeVar("Shown")


class BadQuery(Exception):
    """A question that cannot be answered as it stands; the message is one line that says why."""


class BadCursor(BadQuery):
    """A cursor that is none of ours, or of another list, filter or order."""

    def __init__(self) -> None:
        super().__init__("this cursor does not belong to this list, filter and order: begin without one")


class BadRange(BadQuery):
    """A time range that ends before it begins, or lies where no events are."""

    def __init__(self, why: str = "the range ends before it begins: since must lie before until") -> None:
        super().__init__(why)


class Page(msgspec.Struct, Generic[Shown], frozen=True):
    """A page of a list: its rows, where the next begins (None after the last row), and the range that was looked at."""

    items: list[Shown]
    next: str | None
    since: datetime
    until: datetime | None


class _Cursor(msgspec.Struct, array_like=True, frozen=True):
    """What a cursor says: of which question it is, the range (µs), and the position."""

    of: bytes
    since: int
    until: int | None
    key: int | float
    id: str


_decode = msgspec.msgpack.Decoder(_Cursor).decode
_encode = msgspec.msgpack.Encoder().encode


def page(
    wanted: Wanted,
    limit: int,
    cursor: str,
    now: datetime,
    read: Callable[[Wanted, int, Position | None], Sequence[Found]],
    position: Callable[[Found], Position],
    show: Callable[[Found], Shown],
) -> Page[Shown]:
    """A page of what is wanted, of at most `limit` rows (and of `MOST`); an empty cursor begins at the newest.

    A range that is not said is the day up to now, the same for all pages. Raises `BadCursor` and `BadRange`.
    """
    limit = max(1, min(limit, MOST))
    if any("\0" in said for said in msgspec.structs.astuple(wanted) if isinstance(said, str)):
        raise BadQuery("a filter holds a character that no text has (NUL)")
    if cursor:
        begun = _read(cursor, wanted)
        since, until = to_datetime(begun.since), to_datetime(begun.until) if begun.until is not None else None
        after = Position(begun.key, begun.id)
    else:
        (since, until), after = spanned(wanted.since, wanted.until, now), None
    found = read(msgspec.structs.replace(wanted, since=since, until=until), limit + 1, after)
    following = None
    if len(found) > limit:
        end = from_datetime(until) if until is not None else None
        following = _write(_Cursor(_digest(wanted), from_datetime(since), end, *position(found[limit - 1])))
    return Page([show(row) for row in found[:limit]], following, since, until)


def spanned(
    since: datetime | None, until: datetime | None, now: datetime
) -> tuple[datetime, datetime | None]:
    """A range with a beginning: unless it is said, a day before the end. Raises `BadRange`."""
    if any(not EARLIEST <= moment <= LATEST for moment in (since, until) if moment is not None):
        raise BadRange(f"times lie between {EARLIEST.year} and {LATEST.year}")
    begin = since if since is not None else max(EARLIEST, (until or now) - DEFAULT_RANGE)
    if until is not None and begin >= until:
        raise BadRange
    return begin, until


def _digest(wanted: msgspec.Struct) -> bytes:
    """What tells one question from another: the list by the name of its filter, and all the filter says."""
    said = [type(wanted).__name__, *msgspec.structs.astuple(wanted)]
    return blake2b(_encode(said), digest_size=12).digest()


def _write(cursor: _Cursor) -> str:
    return urlsafe_b64encode(_encode(cursor)).rstrip(b"=").decode("ascii")


def _read(text: str, wanted: Wanted) -> _Cursor:
    """A cursor from a stranger."""
    try:
        if len(text) > _LONGEST:
            raise BadCursor
        found = _decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, msgspec.DecodeError):
        raise BadCursor from None
    by_risk = getattr(wanted, "sort", "") == "risk"
    times = [found.since, found.until or 0, 0 if by_risk else found.key]
    if found.of != _digest(wanted) or "\0" in found.id or not all(map(_is_time, times)):
        raise BadCursor
    return found


def _is_time(value: int | float) -> bool:
    return isinstance(value, int) and MIN_TIME <= value <= MAX_TIME
