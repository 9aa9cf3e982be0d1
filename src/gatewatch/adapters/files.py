"""Log files as lines: a path or stdin, plain, gzip or zstd, with every limit that a stranger's file needs."""

import sys
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec
import zstandard

from gatewatch.ingest.contract import Framing, Line, file_identity
from gatewatch.ingest.framing import Framer, framer_for

#: How much is read and cut at once, in bytes.
CHUNK = 65_536
#: How much compressed zstd is handed over at once: one block of four bytes may stand for 128 KiB.
_ZSTD_CHUNK = 1_024
#: Share of bytes of no text in the first chunk from which a file counts as binary.
_BINARY_SHARE = 0.3
#: How many blank lines are looked past for the line that identifies the file.
_MAX_BLANK = 1_000
_MAGIC = {b"\x1f\x8b": ("gzip", ".gz"), b"\x28\xb5\x2f\xfd": ("zstd", ".zst")}
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\x1b")) + b"\x7f"


class InputProblem(Exception):
    """A file cannot be read, or not further: the message is the line to print, `code` is stable.

    Codes: unreadable, empty, binary, compressed (not named so), corrupt, decompressed_too_large. Lines that were
    yielded before it is raised are whole and remain good.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Limits(msgspec.Struct, frozen=True):
    """How far decompression may go: over `free` bytes, at most `ratio` times the compressed bytes, `total` at all."""

    free: int = 64 << 20
    ratio: int = 100
    total: int = 1 << 40


class LogFile:
    """The lines of a file (`-` is stdin), in order, once.

    `identity` is the hash of its first line that is not blank, known at once; `total` its size on disk in bytes, None
    where it has none; `consumed` how many of these were read; `ends_mid_line`, after the last line, whether it had no
    end. `progress(consumed, total)` is called every 64 KiB and at the end. Raises `InputProblem`, on opening and while
    reading.
    """

    def __init__(
        self,
        path: str,
        framing: Framing = "lines",
        *,
        limits: Limits | None = None,
        progress: Callable[[int, int | None], None] | None = None,
        stdin: IO[bytes] | None = None,
    ) -> None:
        self.name = "standard input" if path == "-" else path
        self.consumed = 0
        self.total: int | None = None
        self._limits = limits or Limits()
        self._progress = progress
        self._produced = 0
        self._reported = 0
        self._owned = path != "-"
        self._stream = self._open(path) if self._owned else (stdin or sys.stdin.buffer)
        try:
            self._start(path, framing)
        except BaseException:
            self.close()
            raise

    def _start(self, path: str, framing: Framing) -> None:
        self._chunks = self._checked(self._decompressed(Path(path).suffix.lower() if self._owned else ""))
        head = next(self._chunks, b"")
        self._check_head(head)
        self._framer: Framer = framer_for(framing, head)
        # The framer was told of a byte order mark; it is no part of the first line.
        skipped = len(b"\xef\xbb\xbf") if head.startswith(b"\xef\xbb\xbf") else 0
        lines = self._lines(chain((head[skipped:],), self._chunks))
        self.identity, peeked = _identify(lines)
        self._iterator = chain(peeked, lines)

    @property
    def ends_mid_line(self) -> bool:
        """Whether the last piece had no end; known after it was yielded."""
        return self._framer.unfinished

    def __iter__(self) -> Iterator[Line]:
        """The lines that were not yet taken."""
        return self._iterator

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; stdin stays open."""
        if self._owned:
            self._stream.close()

    def _open(self, path: str) -> IO[bytes]:
        try:
            stream = Path(path).open("rb", buffering=0)  # noqa: SIM115 - closed by close()
            size = Path(path).stat().st_size
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from None
        self.total = size or None
        return stream

    def _read(self, size: int) -> bytes:
        read = getattr(
            self._stream, "read1", self._stream.read
        )  # what is there, not a full chunk: stdin may be a pipe
        try:
            data: bytes = read(size) or b""
        except OSError as error:
            raise self._unreadable(error) from None
        self.consumed += len(data)
        if self._progress is not None and (not data or self.consumed - self._reported >= CHUNK):
            self._reported = self.consumed
            self._progress(self.consumed, self.total)
        return data

    def _decompressed(self, suffix: str) -> Iterator[bytes]:
        readers = {".gz": self._gunzip, ".zst": self._unzstd}
        if suffix not in readers:
            return iter(lambda: self._read(CHUNK), b"")
        return readers[suffix]()

    def _gunzip(self) -> Iterator[bytes]:
        data = self._read(CHUNK)
        while data:  # one member after another, as `cat a.gz b.gz` makes them
            member = zlib.decompressobj(wbits=31)
            while not member.eof:
                data = data or self._more("gzip")
                try:
                    out = member.decompress(data, CHUNK)
                except zlib.error:
                    raise self._corrupt("gzip") from None
                data = member.unconsumed_tail
                yield out
            data = (member.unused_data or self._read(CHUNK)).lstrip(b"\0")  # padding of tapes

    def _unzstd(self) -> Iterator[bytes]:
        decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        data = self._read(_ZSTD_CHUNK)
        while data:
            frame = decompressor.decompressobj()
            while not frame.eof:
                data = data or self._more("zstd")
                try:
                    out = frame.decompress(data)
                except zstandard.ZstdError:
                    raise self._corrupt("zstd") from None
                data = b""
                # In slices, so that of a bomb's first block what is allowed is read.
                yield from (out[start : start + CHUNK] for start in range(0, len(out), CHUNK))
            data = frame.unused_data or self._read(_ZSTD_CHUNK)

    def _more(self, kind: str) -> bytes:
        data = self._read(_ZSTD_CHUNK if kind == "zstd" else CHUNK)
        if not data:
            raise self._corrupt(kind)
        return data

    def _checked(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The chunks that hold anything, as long as there are not suspiciously many of them."""
        for chunk in chunks:
            self._produced += len(chunk)
            allowed = max(self._limits.free, self._limits.ratio * self.consumed)
            if self._produced > min(allowed, self._limits.total):
                raise InputProblem(
                    "decompressed_too_large",
                    f"{self.name}: stopped at {self._produced:,} bytes from {self.consumed:,} compressed ones; "
                    "what came before was read.",
                )
            if chunk:
                yield chunk

    def _lines(self, chunks: Iterator[bytes]) -> Iterator[Line]:
        for chunk in chunks:
            yield from self._framer.feed(chunk)
        yield from self._framer.end()

    def _check_head(self, head: bytes) -> None:
        if not head:
            raise InputProblem("empty", f"{self.name}: the file is empty.")
        for magic, (kind, suffix) in _MAGIC.items():
            if head.startswith(magic):
                raise InputProblem(
                    "compressed", f"{self.name}: this is {kind}; name it *{suffix} or unpack it first."
                )
        if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise InputProblem("binary", f"{self.name}: this is UTF-16; convert it to UTF-8 first.")
        if _strange_share(head[:8_192]) > _BINARY_SHARE:
            raise InputProblem("binary", f"{self.name}: this is a binary file, not a log.")

    def _unreadable(self, error: Exception) -> InputProblem:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return InputProblem("unreadable", f"{self.name}: {why}.")

    def _corrupt(self, kind: str) -> InputProblem:
        return InputProblem(
            "corrupt",
            f"{self.name}: the {kind} data is damaged or cut off after {self._produced:,} bytes; "
            "what came before was read.",
        )


def _identify(lines: Iterator[Line]) -> tuple[str, list[Line]]:
    peeked: list[Line] = []
    for line in lines:
        peeked.append(line)
        if line.data.strip() or len(peeked) >= _MAX_BLANK:
            break
    first = peeked[-1] if peeked else Line(b"", 0, 1)
    # Of a very long line only the head is at hand; the hash of the whole stands for it.
    return file_identity(first.data + first.sha256.encode()), peeked


def _strange_share(head: bytes) -> float:
    """The share of control characters and of bytes that are no UTF-8."""
    broken = head.decode("utf-8", "replace").count("\ufffd")
    control = len(head) - len(head.translate(None, _CONTROL))
    return (broken + control) / max(len(head), 1)
