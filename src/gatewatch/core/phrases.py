"""Words for counts, durations and texts of unknown make: the small change of `wording`."""

from collections.abc import Mapping
from typing import Any

_LONGEST_TEXT = 80
_MOST = 1e18

Evidence = Mapping[str, Any]


def is_number(value: object) -> bool:
    """Whether a value is a number that a sentence can hold (neither NaN nor endless)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -_MOST < value < _MOST


def number(evidence: Evidence, key: str) -> float | None:
    """The number under a key, or None."""
    value = evidence.get(key)
    return value if is_number(value) else None


def first(evidence: Evidence, *keys: str) -> float | None:
    """The first number under the keys that is neither missing nor zero."""
    return next((n for key in keys if (n := number(evidence, key))), None)


def text(evidence: Evidence, key: str) -> str:
    """The text under a key, cleaned; "" where there is none."""
    value = evidence.get(key)
    return clean(value) if isinstance(value, str) else ""


def clean(value: str) -> str:
    """Printable and short: a name can hold anything, a terminal obeys some of it."""
    shown = "".join(c if c.isprintable() else "?" for c in value[: _LONGEST_TEXT + 1])
    return shown if len(shown) <= _LONGEST_TEXT else shown[: _LONGEST_TEXT - 1] + "…"


def words(code: str) -> str:
    """A code in words."""
    return clean(code).replace("_", " ").strip() or "something unusual"


def digits(value: float | None) -> str:
    """A number as people write it: 1,042 or 0.3."""
    if value is None:
        return "some"
    return f"{value:,.1f}" if value % 1 and abs(value) < 100 else f"{round(value):,}"


def plural(count: float, noun: str) -> str:
    """A count with its noun."""
    if count == 1:
        return f"1 {noun}"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{digits(count)} {noun[:-1]}ies"
    return f"{digits(count)} {noun}{'es' if noun.endswith('s') else 's'}"


def counted(evidence: Evidence, key: str, noun: str) -> str:
    """The count under a key with its noun; "several" where it is missing."""
    count = number(evidence, key)
    return plural(count, noun) if count is not None else plural(2, noun).replace("2", "several", 1)


def listed(parts: list[str]) -> str:
    """One, two and three."""
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)


def duration(seconds: float) -> str:
    """Whole units: 45 seconds, 8 minutes, 3 hours, 7 days."""
    for size, noun in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size or seconds == size:
            return plural(round(seconds / size), noun)
    return plural(round(seconds), "second")
