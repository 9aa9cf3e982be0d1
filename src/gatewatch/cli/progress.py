"""How an import goes: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from time import monotonic
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

#: Seconds between lines where there is no terminal.
LINE_EVERY = 5.0


class Progress(Protocol):
    """Told by the import; see also `services.importing.Watcher`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def say(self, message: str) -> None:
        """A line for people."""
        ...

    def begin(self, name: str, size: int | None) -> None:
        """A file begins."""
        ...

    def reading(self, consumed: int, total: int | None) -> None:
        """So much of it was read."""
        ...

    def assessing(self, left: int, of: int) -> None:
        """So many records are still to be processed."""
        ...

    def waiting(self, reason: str) -> None:
        """The database is away."""
        ...

    def resumed(self) -> None:
        """The database is back."""
        ...


class _Said(ABC):
    """What is the same with and without a terminal."""

    @abstractmethod
    def say(self, message: str) -> None:
        """A line for people."""

    def waiting(self, reason: str) -> None:
        """The database is away."""
        self.say(f"waiting for the database: {reason}")

    def resumed(self) -> None:
        """The database is back."""
        self.say("the database is back")


class Lines(_Said):
    """Without a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = monotonic() + LINE_EVERY
        self._name = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def say(self, message: str) -> None:
        """A line."""
        self._console.print(message, markup=False, highlight=False, soft_wrap=True)

    def begin(self, name: str, size: int | None) -> None:
        """A file begins."""
        del size
        self._name = name

    def reading(self, consumed: int, total: int | None) -> None:
        """A line now and then."""
        if self._name and self._is_time():
            self.say(f"reading {self._name}: {_share(consumed, total)}")

    def assessing(self, left: int, of: int) -> None:
        """A line now and then."""
        if left and self._is_time():
            self.say(f"assessing: {of - left:,} of {of:,} done")

    def _is_time(self) -> bool:
        if monotonic() < self._next:
            return False
        self._next = monotonic() + LINE_EVERY
        return True


class Bars(_Said):
    """On a terminal: one bar for reading, one for assessing; messages stand above them."""

    def __init__(self, console: Console) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[of]}"),
        )
        self._bar = Bar(*columns, TimeElapsedColumn(), console=console, transient=True)
        self._reading: TaskID | None = None
        self._assessing: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, message: str) -> None:
        """A line above the bars."""
        self._bar.console.print(message, markup=False, highlight=False)

    def begin(self, name: str, size: int | None) -> None:
        """A bar of its own for each file."""
        if self._reading is not None:
            self._bar.remove_task(self._reading)
        self._reading = self._bar.add_task(f"reading {name}", total=size, of="")

    def reading(self, consumed: int, total: int | None) -> None:
        """Move on."""
        if self._reading is not None:
            self._bar.update(self._reading, completed=consumed, of=_share(consumed, total))

    def assessing(self, left: int, of: int) -> None:
        """Move on."""
        if self._assessing is None:
            self._assessing = self._bar.add_task("assessing", total=of, of="")
        self._bar.update(self._assessing, total=of, completed=of - left, of=f"{of - left:,} of {of:,}")


def progress_for(console: Console) -> Progress:
    """Bars on a terminal, else lines."""
    return Bars(console) if console.is_terminal else Lines(console)


def _share(consumed: int, total: int | None) -> str:
    return f"{consumed / total:.0%}" if total else f"{consumed:,} bytes"


__all__ = ["Bars", "Lines", "Progress", "progress_for"]
