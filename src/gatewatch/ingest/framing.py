"""A stream of bytes into the pieces an adapter reads: lines, or the elements of a JSON document.

Memory stays bounded whatever comes: of a piece over `MAX_LINE` only its head, its size and its hash are kept.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Protocol

from gatewatch.core.records import MAX_DEAD_LETTER
from gatewatch.ingest.contract import MAX_LINE, Framing, Line, Refused
from gatewatch.ingest.safejson import BOM, decode_value


class Framer(Protocol):
    """Cuts chunks into pieces. `unfinished` says, after `end`, that the last piece lacked its end."""

    unfinished: bool

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The pieces that end within the chunk."""
        ...

    def end(self) -> Iterator[Line]:
        """What is left when the stream ends."""
        ...


class _Piece:
    """The bytes of one piece as they come in."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.head = bytearray()
        self.size = 0
        self._hash: hashlib._Hash | None = None

    def add(self, data: bytes) -> None:
        self.size += len(data)
        if self._hash is not None:
            self._hash.update(data)
            return
        self.head += data
        if self.size > MAX_LINE:
            self._hash = hashlib.sha256(self.head)
            del self.head[MAX_DEAD_LETTER:]

    def take(self, offset: int, number: int) -> Line:
        hashed = self._hash
        line = (
            Line(bytes(self.head), offset, number)
            if hashed is None
            else Line(bytes(self.head), offset, number, self.size, hashed.hexdigest())
        )
        self.clear()
        return line


class LineFramer:
    """One piece per line; the line end (LF or CRLF) is not part of it."""

    def __init__(self, offset: int = 0) -> None:
        self.unfinished = False
        self._offset = offset
        self._number = 1
        self._piece = _Piece()

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The lines that end within the chunk."""
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            yield self._line(chunk[start:end], end - start + 1)
            start = end + 1
        if start < len(chunk):
            self._piece.add(chunk[start:])

    def end(self) -> Iterator[Line]:
        """The last line, if no line end closed it."""
        if self._piece.size:
            self.unfinished = True
            yield self._line(b"", 0)

    def _line(self, data: bytes, length: int) -> Line:
        offset, number, pending = self._offset, self._number, self._piece.size
        self._offset += pending + length
        self._number += 1
        if pending or length > MAX_LINE:
            self._piece.add(data)
            line = self._piece.take(offset, number)
            return line if line.truncated_size else Line(line.data.removesuffix(b"\r"), offset, number)
        return Line(data.removesuffix(b"\r"), offset, number)


# Between elements separators count, within one brackets alone do; a whole string is stepped over in one go.
_STRING = rb'"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
_SHALLOW = re.compile(_STRING + rb'|["{}\[\],\n]')
_DEEP = re.compile(_STRING + rb'|["{}\[\]]')
_INSIDE = re.compile(rb'["\\\n]')


class JsonFramer:
    """One piece per top-level JSON value, and per element where that value is an array.

    It only counts brackets outside of strings; what is no JSON becomes a piece that the adapter refuses. JSON strings
    hold no line breaks, so a missing quote spoils its line only; a missing bracket, all up to the end of the file.
    """

    def __init__(self, offset: int = 0) -> None:
        self.unfinished = False
        self._offset = offset  # of the current piece
        self._number = 1
        self._breaks = 0  # line breaks within the current piece
        self._piece = _Piece()
        self._depth = 0
        self._base = 0  # the depth at which elements lie: 1 within a top-level array
        self._in_string = False
        self._escaped = False

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The pieces that end within the chunk."""
        start = position = 0
        while (found := self._next(chunk, position)) is not None:
            token, position = chunk[found], found + 1
            cut = self._cut(token, chunk, start, found)
            if cut is not None:
                self._add(chunk[start:cut])
                yield from self._take(chunk[cut:position])
                start = position
        self._add(chunk[start:])

    def end(self) -> Iterator[Line]:
        """The last value, if nothing closed it."""
        self.unfinished = self._depth > 0 or self._in_string
        yield from self._take(b"")

    def _next(self, chunk: bytes, position: int) -> int | None:
        """Where the next byte that means something is; steps over escapes."""
        while True:
            if self._escaped:
                if position >= len(chunk):
                    return None
                self._escaped = False
                position += chunk[position] != ord("\n")  # a line break ends the string, escaped or not
            found = self._pattern().search(chunk, position)
            if found is None:
                return None
            position, end = found.span()
            if chunk[position] == ord("\\"):
                self._escaped, position = True, end
            elif end - position > 1:
                position = end
            else:
                return position

    def _pattern(self) -> re.Pattern[bytes]:
        if self._in_string:
            return _INSIDE
        return _SHALLOW if self._depth == self._base else _DEEP

    def _cut(self, token: int, chunk: bytes, start: int, found: int) -> int | None:
        """The index where the current piece ends, if the token ends it."""
        if token == ord('"'):
            self._in_string = not self._in_string
        elif token == ord("\n"):
            self._in_string = False
            return found if self._base == self._depth == 0 else None
        elif token == ord(","):
            return found if self._depth == self._base else None
        elif token in b"[{":
            return self._opened(token, chunk, start, found)
        else:
            return self._closed(found)
        return None

    def _opened(self, token: int, chunk: bytes, start: int, found: int) -> int | None:
        self._depth += 1
        first = not self._piece.size and not chunk[start:found].strip()
        if token == ord("[") and self._depth == 1 and self._base == 0 and first:
            self._base = 1
            return found
        return None

    def _closed(self, found: int) -> int | None:
        self._depth = max(self._depth - 1, 0)
        if self._depth:
            return None
        if self._base:
            self._base = 0
            return found
        return found + 1

    def _add(self, data: bytes) -> None:
        if not self._piece.size:  # white space before a piece is no part of it
            text = data.lstrip()
            blank = data[: len(data) - len(text)]
            self._offset += len(blank)
            self._number += blank.count(b"\n")
            data = text
        self._breaks += data.count(b"\n")
        self._piece.add(data)

    def _take(self, separator: bytes) -> Iterator[Line]:
        """The piece, if there is any, without the white space after it."""
        line = self._piece.take(self._offset, self._number)
        if line.truncated_size:
            yield line
        elif line.data:
            yield Line(line.data.rstrip(), line.offset, line.number)
        self._offset += (line.truncated_size or len(line.data)) + len(separator)
        self._number += self._breaks + separator.count(b"\n")
        self._breaks = 0


def framer_for(framing: Framing, head: bytes) -> Framer:
    """The framer for a file that begins with `head` (its first chunk).

    JSON is read line by line where its first line is complete in itself, because a broken line then harms no other;
    else it is a document, pretty-printed or one long array.
    """
    offset = len(BOM) if head.startswith(BOM) else 0
    text = head[offset:].lstrip()
    if framing == "json" and _is_document(text):
        return JsonFramer(offset)
    return LineFramer(offset)


def _is_document(text: bytes) -> bool:
    line, _, rest = text.partition(b"\n")
    line = line.rstrip()
    if line == b"{":
        return True
    if line[:1] == b"[":
        return not _is_complete(line)
    return line[:1] == b"{" and rest[:1] in (b" ", b"\t", b"}") and not _is_complete(line)


def _is_complete(line: bytes) -> bool:
    try:
        decode_value(line)
    except Refused:
        return False
    return True
