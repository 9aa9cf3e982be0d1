"""`python3 run.py faults --matrix`: the fault matrix on a real broker and a real PostgreSQL.

Each row is played with each seed; a line says how it went. Exit code 1: something was violated; 2: a row could not be
run here, or Kafka is missing. Results are kept in .local/fault-matrix, with the logs of what failed; `--table` writes
the documentation's table of them.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache

from gatewatch import logs
from scripts.kafka import Unavailable
from tests.faults import scenario
from tests.faults.matrix import results, rows_broker, rows_database, rows_processes, rows_records, verdict
from tests.faults.matrix.ground import AWAY, Ground, NotRun, ground
from tests.faults.matrix.results import Outcome, Result
from tests.faults.matrix.rows import Row
from tests.faults.matrix.scene import Scene
from tests.faults.matrix.verdict import Violations
from tests.faults.scenario import Chunk

ROWS: dict[str, Row] = {
    row.name: row
    for module in (rows_processes, rows_database, rows_broker, rows_records)
    for row in module.ROWS
}
#: Simulated events over so many days: more than a scene sends; and of the row that sends all of them.
EVENTS, DAYS = 30_000, 6.0
FEW_EVENTS, FEW_DAYS = 3_000, 3.0
#: What comes over HTTP is for the API alone; what has no id of its own is told apart by its place.
OVER_HTTP = ("posted", "decided", "reported")
ODDITIES = ("garbage", "anonymous", "poison")
#: How many lines of each violated check are printed.
SHOWN = 10


@cache
def world(seed: int, oddities: bool) -> list[Chunk]:
    """What may be sent with a seed."""
    left_out = OVER_HTTP if oddities else (*OVER_HTTP, *ODDITIES)
    size = (FEW_EVENTS, FEW_DAYS) if oddities else (EVENTS, DAYS)
    return [[i for i in chunk if i.kind not in left_out] for chunk in scenario.make(seed, *size)]


def play(row: Row, seed: int, on: Ground) -> Result:
    """Play a row with a seed, and judge it."""
    began, scene = time.monotonic(), None
    found: Violations
    try:
        with row.opened(on, seed, world(seed, row.oddities)) as scene:
            row.play(scene)
            found = scene.finish()
    except NotRun as error:
        return Result(row.name, seed, "not run", str(error), {}, 0, None, time.monotonic() - began)
    except Exception as error:  # noqa: BLE001 - whatever it is, the row failed, and the others go on
        found = {"played to its end": [f"{type(error).__name__}: {error}", *_last_words(scene)]}
    wrong = judged(row, scene, found)
    recovery = _recovery(scene)
    if wrong and scene is not None:
        results.keep_logs(row.name, seed, scene.folder)
    happened = "; ".join(scene.happened) if scene is not None else ""
    outcome: Outcome = "FAIL" if wrong else "PASS"
    return Result(row.name, seed, outcome, happened, wrong, len(found), recovery, time.monotonic() - began)


def judged(row: Row, scene: Scene | None, found: Violations) -> Violations:
    """What is violated, recovery included."""
    recovery = _recovery(scene)
    found["recovery"] = verdict.recovery(recovery)
    if row.recovers and recovery is None:
        found["recovery"].append("it was not measured")
    return {name: lines for name, lines in found.items() if lines}


def _recovery(scene: Scene | None) -> float | None:
    return max(scene.seconds, default=None) if scene is not None else None


def _last_words(scene: Scene | None) -> list[str]:
    if scene is None:
        return []
    with suppress(OSError):
        return [f"{name}: {child.last_words()}" for name, child in scene.children.items()]
    return []


def show(result: Result) -> None:
    """Print a result, and what was violated."""
    print(result.line, flush=True)
    for name, lines in result.violations.items():
        print(f"        {name}: {len(lines):,} violations")
        for line in lines[:SHOWN]:
            print(f"          {line[:2000]}", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Run rows; returns the exit code."""
    given = _parsed(arguments)
    chosen = [ROWS[name] for name in given.row or ROWS]
    seeds = [given.seed] if given.seed is not None else range(1, given.seeds + 1)
    logs.configure("error", "load")  # that a broker is away is what rows are about
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # our processes and servers end with us
    done: list[Result] = []
    if not given.only_table:
        try:
            with ground() as on:
                on.away = given.away
                for row in chosen:
                    done += [_played(row, seed, on) for seed in seeds]
        except Unavailable as error:
            print(f"not run: {error}")
            return 2
        _sum_up(done)
    if given.table or given.only_table:
        results.write(results.table(ROWS.values(), results.kept()))
    return 1 if any(r.outcome == "FAIL" for r in done) else 2 * any(r.outcome == "not run" for r in done)


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 run.py faults --matrix",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--row", nargs="+", choices=ROWS, metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument(
        "--seeds", type=int, default=results.SEEDS, help="seeds 1 to N (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, help="this seed alone")
    parser.add_argument("--away", type=float, default=AWAY, help="how long the broker is unreachable (s)")
    parser.add_argument("--table", action="store_true", help=f"write {results.PAGE.name} of all kept results")
    parser.add_argument("--only-table", action="store_true", help="run nothing")
    return parser.parse_args(arguments)


def _played(row: Row, seed: int, on: Ground) -> Result:
    result = play(row, seed, on)
    results.keep(result)
    show(result)
    return result


def _sum_up(done: Sequence[Result]) -> None:
    by = {outcome: sum(r.outcome == outcome for r in done) for outcome in ("PASS", "FAIL", "not run")}
    print(", ".join(f"{n} {outcome}" for outcome, n in by.items()))
