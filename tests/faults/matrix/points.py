"""Where a process kills itself with SIGKILL: at the n-th time that it comes to a point of its work.

The product knows nothing of this: an actor wraps what it is about to run.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal, NamedTuple

from gatewatch.adapters.kafka.announcements import Announcements
from gatewatch.adapters.kafka.vendors import VendorGroup
from gatewatch.adapters.postgres import commits
from gatewatch.adapters.postgres.commits import Commits
from gatewatch.ports import Batch, Claim

Wanted = Callable[..., bool]


class Point(NamedTuple):
    """Before or after a call of `name` on `holder`, of those calls that are `wanted`."""

    holder: Any
    name: str
    side: Literal["before", "after"]
    wanted: Wanted


def _moves(_: Commits, __: object, claim: Claim, to: int, ___: int) -> bool:
    return to != claim.next_offset  # a batch, not a review


def _has_events(_: object, batch: Batch) -> bool:
    return bool(batch.events)


def _took_some(_: object, messages: Sequence[object]) -> bool:
    return bool(messages)


def _any(*_: object) -> bool:
    return True


POINTS: dict[str, Point] = {
    "before the swap": Point(Commits, "_swap", "before", _moves),
    "after COPY": Point(commits, "put_events", "after", _has_events),
    "before COMMIT": Point(commits, "_delete_old", "after", _has_events),
    "after COMMIT": Point(Commits, "batch", "after", _has_events),
    "before publishing": Point(Announcements, "append", "before", _any),
    "after publishing": Point(Announcements, "append", "after", _any),
    "before a connector is done": Point(VendorGroup, "done", "before", _took_some),
}


def arm(name: str, nth: int) -> None:
    """Have this process die at a point when it comes there for the n-th time."""
    holder, attribute, side, wanted = POINTS[name]
    original, times = getattr(holder, attribute), itertools.count(1)

    @wraps(original)
    def armed(*args: Any) -> Any:
        due = wanted(*args) and next(times) == nth
        if due and side == "before":
            _die()
        result = original(*args)
        if due:
            _die()
        return result

    setattr(holder, attribute, armed)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
