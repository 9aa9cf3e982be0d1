"""What every suite requires, and how it says that something does not hold."""

import json
import sys
from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any, TypeVar

#: How much bigger (bytes) a detector or model may get over all the entities it sees.
MOST_GROWTH = 65_536

T = TypeVar("T")


class CheckFailed(AssertionError):
    """A detector, model or engine breaks its contract; the message says which and how."""


def require(holds: bool, name: str, sentence: str) -> None:
    """Fail with "name sentence." unless it holds."""
    if not holds:
        raise CheckFailed(f"{name} {sentence}.")


def attempt(name: str, what: str, call: Callable[[], T]) -> T:
    """What the call gives; whatever it raises becomes a failure on `what`."""
    try:
        return call()
    except Exception as error:
        raise CheckFailed(f"{name} fails on {what}: {type(error).__name__}: {error}.") from error


def footprint(thing: object) -> int:
    """The bytes of an object, of what it holds and of what its class holds."""
    seen: set[int] = set()
    waiting = [thing, *(v for v in vars(type(thing)).values() if isinstance(v, (dict, list, set)))]
    size = 0
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, type):
            continue
        seen.add(id(found))
        size += sys.getsizeof(found)
        waiting.extend(_held_by(found))
    return size


def _held_by(thing: object) -> Iterable[object]:
    if isinstance(thing, dict):
        return (*thing.keys(), *thing.values())
    if isinstance(thing, (list, tuple, set, frozenset)):
        return tuple(thing)
    names = [name for kind in type(thing).__mro__ for name in _slots(kind)]
    held = [getattr(thing, name) for name in names if hasattr(thing, name)]
    return (*held, *vars(thing).values()) if hasattr(thing, "__dict__") else held


def _slots(kind: type) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def require_bounded(thing: object, name: str, work: Iterable[object]) -> None:
    """Do the work and fail if the thing holds much more afterwards."""
    before = footprint(thing)
    for _ in work:
        pass
    grown = footprint(thing) - before
    require(grown <= MOST_GROWTH, name, f"grew by {grown:,} bytes over the entities it saw: it keeps state")


def require_json(value: Any, name: str) -> None:
    """Fail unless the value is JSON with finite numbers."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CheckFailed(f"{name} gives evidence that is not JSON: {error}.") from error


def require_strength(strength: float, name: str) -> None:
    """Fail unless the strength is in [0, 1]."""
    require(
        isfinite(strength) and 0.0 <= strength <= 1.0, name, f"gives the strength {strength}, outside [0, 1]"
    )
