"""What a run measured, what it should reach, and how two runs compare. Arithmetic only: nothing here is timed."""

from collections.abc import Sequence
from statistics import median
from typing import Literal

import msgspec

Kind = Literal["ratio", "time", "rate", "size"]
Verdict = Literal["better", "same", "worse", "information"]

#: A change within this share of the base is noise.
NOISE = 0.1


class BenchmarkError(Exception):
    """A scenario did not do what it measures: the message says what went wrong, and there is no number."""


class Figure(msgspec.Struct, frozen=True):
    """One median under a permanent id, with the lowest and highest of its `runs`.

    A `ratio` and a `size` hold on any machine, a `time` (µs of one process) once it is divided by the machine's
    yardstick; a `rate` is for information only, for it tells as much about the disk and the neighbours as about us.
    """

    id: str
    value: float
    unit: str
    kind: Kind
    low: float
    high: float
    runs: int


class Machine(msgspec.Struct, frozen=True):
    """What the figures were measured on. `yardstick` is what a fixed piece of Python takes (µs); `core` is "compiled"
    or "pure Python", as everything was before there was a choice.
    """

    cpu: str
    cores: int
    python: str
    postgres: str
    fsync: str
    load: float
    yardstick: float
    core: str = "pure Python"


class Report(msgspec.Struct, frozen=True):
    """All figures of one run."""

    version: int
    quick: bool
    machine: Machine
    figures: tuple[Figure, ...]


class Goal(msgspec.Struct, frozen=True):
    """What a figure should reach: the gate, where there is one, must hold; the goal is where we want to be."""

    goal: float
    gate: float | None = None
    more_is_better: bool = True


#: By the ids of figures.
GOALS = {
    "full_pipeline.ratio": Goal(goal=0.50, gate=0.25),
    "pure_step.rules_us": Goal(goal=20, more_is_better=False),
    "pure_step.all_us": Goal(goal=30, more_is_better=False),
    "stream.p99_ms": Goal(goal=1_000, more_is_better=False),
    "decisions.answered": Goal(goal=1.0, gate=1.0),
    "decisions.p99_ms": Goal(goal=5, gate=10, more_is_better=False),
    "decisions.overload_share": Goal(goal=0.9, gate=0.5),
    "lists.p95_ms": Goal(goal=300, gate=300, more_is_better=False),
    "ui.first_load_kb": Goal(goal=500, gate=500, more_is_better=False),
    "ui.interactive_ms": Goal(goal=1_000, gate=1_000, more_is_better=False),
    "kafka_pipeline.ratio": Goal(goal=0.50, gate=0.25),
    "kafka_latency.anomaly_p99_ms": Goal(goal=1_000, more_is_better=False),
    "import_memory.importer_mb": Goal(goal=600, gate=600, more_is_better=False),
    "import_memory.detector_mb": Goal(goal=600, gate=600, more_is_better=False),
    "import_memory.notifier_mb": Goal(goal=600, gate=600, more_is_better=False),
}


class Change(msgspec.Struct, frozen=True):
    """A figure of two runs. `factor` is head over base, freed of the machine where the kind allows it."""

    id: str
    unit: str
    base: float
    head: float
    factor: float
    verdict: Verdict


def figure(id: str, values: Sequence[float], unit: str, kind: Kind) -> Figure:
    """The median of some measurements."""
    return Figure(id, median(values), unit, kind, min(values), max(values), len(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all are not above (nearest rank).

    >>> percentile([5, 1, 4, 2, 3], 0.5), percentile([1, 2], 0.95)
    (3, 2)
    """
    ranked = sorted(values)
    return ranked[max(0, -int(-share * len(ranked) // 1) - 1)]


def standing(found: Figure) -> str:
    """PASS or MISS against the gate, and whether the goal is reached; "" for a figure without one."""
    goal = GOALS.get(found.id)
    if goal is None:
        return ""
    sign = "≥" if goal.more_is_better else "≤"
    reached = "reached" if _reaches(found.value, goal.goal, goal) else "open"
    if goal.gate is None:
        return f"goal {sign} {goal.goal:g} {reached}"
    word = "PASS" if _reaches(found.value, goal.gate, goal) else "MISS"
    if goal.goal == goal.gate:
        return f"{word} ({sign} {goal.gate:g})"
    return f"{word} ({sign} {goal.gate:g}), goal {goal.goal:g} {reached}"


def _reaches(value: float, wanted: float, goal: Goal) -> bool:
    return value >= wanted if goal.more_is_better else value <= wanted


def compare(base: Report, head: Report) -> list[Change]:
    """Every figure that both runs have, in the order of the head."""
    before = {found.id: found for found in base.figures}
    return [
        _change(before[found.id], found, base.machine, head.machine)
        for found in head.figures
        if found.id in before
    ]


def _change(base: Figure, head: Figure, was: Machine, now: Machine) -> Change:
    factor = head.value / base.value if base.value else 1.0
    if head.kind == "time":
        factor *= was.yardstick / now.yardstick
    scale = factor * base.value / head.value if head.value else 1.0
    overlap = head.low * scale <= base.high and base.low <= head.high * scale
    verdict = _verdict(head.kind, factor, overlap)
    return Change(head.id, head.unit, base.value, head.value, factor, verdict)


def _verdict(kind: Kind, factor: float, overlap: bool) -> Verdict:
    """Ranges that overlap say nothing: some run of the base was as good as some run of the head."""
    if kind == "rate":
        return "information"
    if overlap:
        return "same"
    gain = factor if kind == "ratio" else 1 / factor if factor else 1.0
    if abs(gain - 1) <= NOISE:
        return "same"
    return "better" if gain > 1 else "worse"
