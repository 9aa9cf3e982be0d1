"""What a row is: a fault, what must hold whatever it does, and how it is played."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple

from tests.faults.matrix import scene
from tests.faults.matrix.ground import Ground
from tests.faults.matrix.scene import Scene
from tests.faults.scenario import Chunk

#: Plays the fault in a scene whose processes have not been started.
Play = Callable[[Scene], None]
#: Opens a scene: with a seed, and the chunks that may be sent.
Open = Callable[[Ground, int, list[Chunk]], AbstractContextManager[Scene]]


class Row(NamedTuple):
    """One row of the matrix. `injection` and `also`, what must hold beside what always must, are for the table;
    `oddities`: records that nobody can read are among the others; `recovers`: there is something to recover from.
    """

    name: str
    injection: str
    also: str
    play: Play
    opened: Open
    oddities: bool
    recovers: bool


class Rows:
    """The rows of one kind of fault, in their order."""

    def __init__(self) -> None:
        self.found: list[Row] = []

    def __iter__(self) -> Iterator[Row]:
        return iter(self.found)

    def add(
        self,
        name: str,
        injection: str,
        *also: str,
        opened: Open = scene.opened,
        oddities: bool = False,
        recovers: bool = True,
    ) -> Callable[[Play], Play]:
        """Have a function play a row; `also` is what must hold beside what always must."""

        def added(play: Play) -> Play:
            self.found.append(Row(name, injection, "; ".join(also), play, opened, oddities, recovers))
            return play

        return added
