"""The benchmarks' own arithmetic: medians, gates, and what may be compared from machine to machine."""

import pytest

from benchmarks.figures import (
    GOALS,
    Figure,
    Kind,
    Machine,
    Report,
    compare,
    figure,
    percentile,
    standing,
)
from benchmarks.scenarios import SCENARIOS


def machine(yardstick: float = 1.0) -> Machine:
    """Some machine."""
    return Machine("a processor", 2, "3.11", "18.6", "on", 0.0, yardstick)


def report(value: float, kind: Kind, yardstick: float = 1.0, id: str = "a.figure") -> Report:
    """A run with one figure."""
    return Report(1, False, machine(yardstick), (Figure(id, value, "unit", kind, value, value, 1),))


def test_a_figure_is_the_median_with_its_range() -> None:
    """One slow run among five moves the range and not the figure."""
    assert figure("a.rate", [5.0, 4.0, 100.0, 6.0, 5.5], "events/s", "rate") == Figure(
        "a.rate", 5.5, "events/s", "rate", 4.0, 100.0, 5
    )


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([7], 0.95, 7),
        ([1, 2], 0.5, 1),
        (list(range(1, 101)), 0.95, 95),
        ([3, 1, 2], 1.0, 3),
        ([1, 2, 3], 0.0, 1),
    ],
)
def test_a_percentile_is_a_value_that_was_seen(values: list[float], share: float, expected: float) -> None:
    """Nearest rank: the smallest value that at least this share do not exceed."""
    assert percentile(values, share) == expected


@pytest.mark.parametrize(
    ("id", "value", "expected"),
    [
        ("full_pipeline.ratio", 0.24, "MISS (≥ 0.25), goal 0.5 open"),
        ("full_pipeline.ratio", 0.25, "PASS (≥ 0.25), goal 0.5 open"),
        ("full_pipeline.ratio", 0.50, "PASS (≥ 0.25), goal 0.5 reached"),
        ("import_memory.detector_mb", 601, "MISS (≤ 600)"),
        ("import_memory.detector_mb", 600, "PASS (≤ 600)"),
        ("pure_step.all_us", 31, "goal ≤ 30 open"),
        ("pure_step.all_us", 30, "goal ≤ 30 reached"),
        ("bare_pipe.rate", 1, ""),
    ],
)
def test_the_gate_says_pass_or_miss(id: str, value: float, expected: str) -> None:
    """A gate that is met exactly is met; what has none says nothing."""
    assert standing(Figure(id, value, "unit", "ratio", value, value, 1)) == expected


@pytest.mark.parametrize(
    ("kind", "base", "head", "verdict"),
    [
        ("ratio", 0.30, 0.40, "better"),
        ("ratio", 0.40, 0.30, "worse"),
        ("ratio", 0.40, 0.42, "same"),
        ("size", 500, 400, "better"),
        ("size", 400, 500, "worse"),
        ("time", 30, 20, "better"),
        ("rate", 1_000, 4_000, "information"),
    ],
)
def test_base_against_head(kind: Kind, base: float, head: float, verdict: str) -> None:
    """More of a ratio is better, less of a size or a time; a rate decides nothing."""
    (change,) = compare(report(base, kind), report(head, kind))
    assert change.verdict == verdict


def test_ranges_that_overlap_say_nothing() -> None:
    """Given medians far apart, when a run of one lies among the runs of the other, then it counts as the same."""
    wide = Report(1, False, machine(), (figure("a.ratio", [0.2, 0.3, 0.5], "times", "ratio"),))
    apart = Report(1, False, machine(), (figure("a.ratio", [0.6, 0.7, 0.8], "times", "ratio"),))
    (close,) = compare(wide, report(0.45, "ratio", id="a.ratio"))
    (far,) = compare(wide, apart)
    assert (close.verdict, far.verdict) == ("same", "better")


def test_a_time_is_freed_of_the_machine() -> None:
    """Given a machine half as fast, when a step takes twice as long there, then nothing changed."""
    (change,) = compare(report(20, "time", yardstick=1.0), report(40, "time", yardstick=2.0))
    assert (change.factor, change.verdict) == (1.0, "same")


def test_only_what_both_runs_have_is_compared() -> None:
    """A scenario that is new or gone has nothing to stand against."""
    assert compare(report(1, "ratio", id="old.figure"), report(1, "ratio", id="new.figure")) == []


def test_every_goal_belongs_to_a_scenario() -> None:
    """A goal under a mistyped id would never be looked at."""
    assert {id.partition(".")[0] for id in GOALS} <= SCENARIOS.keys()
