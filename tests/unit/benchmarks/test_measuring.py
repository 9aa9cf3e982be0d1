"""What the benchmarks read from the system, and that they measure what they say; no test looks at a clock."""

from pathlib import Path

import pytest

from benchmarks import machine, worlds
from benchmarks.memory import peak_of, role_of
from benchmarks.progress import Progress
from benchmarks.steps import MODELS, passes, without_models
from gatewatch.detectors import extended_engine
from gatewatch.simulator.wire import native_json


@pytest.mark.parametrize(
    ("words", "role"),
    [
        (["python", "-m", "gatewatch", "import", "a.ndjson"], "importer"),
        (["python", "-m", "gatewatch", "detector", "--with-parent"], "detector"),
        (["python", "-m", "gatewatch", "notifier", "--with-parent"], "notifier"),
        (["postgres", "-D", "detector"], ""),
        ([], ""),
    ],
)
def test_processes_are_told_apart_by_their_command(words: list[str], role: str) -> None:
    """PostgreSQL's own processes are none of ours."""
    assert role_of(words) == role


def test_the_peak_is_read_from_the_status_of_a_process() -> None:
    """VmHWM is the peak, VmRSS only the present; a process that is gone has neither."""
    assert peak_of(["VmPeak:  9 kB", "VmHWM:\t  1234 kB", "VmRSS:  7 kB"]) == 1234
    assert peak_of([]) == 0


def test_only_what_asks_a_model_is_left_out() -> None:
    """Without models the other detectors stay, in their order."""
    full = extended_engine()
    left = [detector.id for detector in without_models(full).detectors]
    assert left == [detector.id for detector in full.detectors if detector.id not in MODELS]
    assert len(left) < len(full.detectors)


def test_every_pass_sees_both_outcomes() -> None:
    """Given a small world, when it is passed through, then each pass has costs above nothing."""
    full, rules = passes(1_000, repeats=2)
    assert len(full) == len(rules) == 2
    assert all(min(cost.all, cost.success, cost.failure) > 0 for cost in full + rules)


def test_the_yardstick_is_a_time() -> None:
    """It divides others, so it must not be nothing."""
    assert machine.yardstick(repeats=1) > 0


def test_a_world_is_the_same_every_time_and_as_long_as_asked(tmp_path: Path) -> None:
    """The file holds exactly the events that the log gets."""
    path = tmp_path / "world.ndjson"
    worlds.write(path, 500, Progress())
    lines = path.read_bytes().splitlines(keepends=True)
    assert lines == [native_json(event) for event in worlds.events("throughput", 500)]
    assert len(list(worlds.events("flood", 300))) == 300
