"""What a long run says while it works: a line that is overwritten on a terminal, a line every few seconds elsewhere."""

import sys
from time import monotonic

#: Seconds between two lines where there is no terminal.
_EVERY = 10.0


class Progress:
    """Says on standard error what is going on."""

    def __init__(self) -> None:
        self._began = monotonic()
        self._terminal = sys.stderr.isatty()
        self._next = 0.0
        self._open = False

    def say(self, text: str) -> None:
        """A line of its own."""
        self._end_line()
        self._write(f"[{monotonic() - self._began:5.0f} s] {text}\n")

    def moved(self, what: str, done: int, total: int) -> None:
        """How far something long has come."""
        now = monotonic()
        if now < self._next:
            return
        self._next = now + (0.2 if self._terminal else _EVERY)
        filled = 30 * done // max(1, total)
        text = f"  {what} [{'#' * filled}{'.' * (30 - filled)}] {done:,} of {total:,}"
        self._write(f"\r{text}" if self._terminal else f"{text}\n")
        self._open = self._terminal

    def _end_line(self) -> None:
        if self._open:
            self._write("\r\x1b[K")
        self._open, self._next = False, 0.0

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
