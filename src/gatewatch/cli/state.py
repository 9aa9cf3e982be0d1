"""What every command works with: the settings and two consoles."""

from typing import NamedTuple, cast

import msgspec
import typer
from rich.console import Console

from gatewatch.settings import Settings


class State(NamedTuple):
    """Results go to `out` (standard output), everything else to `err`."""

    settings: Settings
    out: Console
    err: Console

    def say(self, message: str) -> None:
        """One line for people, never wrapped where it is not for a terminal."""
        self.err.print(message, markup=False, highlight=False, soft_wrap=True)

    def emit(self, value: object) -> None:
        """One JSON value on a line of its own."""
        self.out.file.write(msgspec.json.encode(value).decode() + "\n")

    def with_settings(self, **changes: object) -> "State":
        """The same with some settings replaced."""
        return self._replace(settings=msgspec.structs.replace(self.settings, **changes))


def state_of(context: typer.Context) -> State:
    """The state of a command's context."""
    return cast(State, context.obj)
