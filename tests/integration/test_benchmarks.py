"""The pipes that are measured work off what the log holds, and say so when they do not."""

import pytest

from benchmarks import deciding, pipes
from benchmarks.figures import BenchmarkError
from benchmarks.progress import Progress
from benchmarks.scenarios import Bench, sizes
from benchmarks.scratch import Scratch

EVENTS = 300


def test_both_pipes_store_every_event_of_the_same_log() -> None:
    """Given a filled log, when the bare pipe and two detectors work off a copy each, then both store all of it; a
    count that does not match is an error.
    """
    progress = Progress()
    with Scratch(progress) as scratch:
        bench = Bench(scratch, progress, quick=True)
        bare = scratch.database("throughput", EVENTS, "bare")
        assert pipes.bare_rate(bare, EVENTS, progress) > 0
        bench.processed = scratch.database("throughput", EVENTS, "full")
        assert pipes.full_rate(bench.processed, bench.settings, EVENTS, 2, progress) > 0
        assert all(found.value > 0 for found in sizes(bench))
        again = scratch.database("throughput", EVENTS, "again")
        with pytest.raises(BenchmarkError, match="of 299 events 300 were stored"):
            pipes.bare_rate(again, EVENTS - 1, progress)


def test_decisions_are_measured() -> None:
    """Given a database with a world's log, when decisions are measured, then there are figures of all kinds, and
    latencies are of what was decided on.
    """
    progress = Progress()
    with Scratch(progress) as scratch:
        bench = Bench(scratch, progress, quick=True)
        found = deciding.measure(scratch.database("throughput", EVENTS, "decisions"), bench.settings, 0.5)
    assert 0 < found.answered <= 1
    assert 0 < found.p50 <= found.p99
    assert min(found.cpu_us, found.capacity, found.kept_share, found.overload_p99) > 0
