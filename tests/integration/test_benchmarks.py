"""The pipes that are measured work off what the log holds, and say so when they do not."""

import pytest

from benchmarks import pipes
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
