"""The benchmarks: `python3 run.py bench [--quick] [--only ID …] [--compare BASE.json] [--out FILE] [--publish]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from benchmarks import machine, tables
from benchmarks.figures import BenchmarkError, Figure, Report, compare
from benchmarks.progress import Progress
from benchmarks.scenarios import PURE, SCENARIOS, Bench
from benchmarks.scratch import Scratch

VERSION = 1
_HERE = Path(__file__).parent
BASELINE = _HERE / "baseline.json"
README = _HERE / "README.md"
ON_KAFKA = _HERE.parent / "docs" / "howto" / "kafka.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write and compare what was asked for."""
    options = _options(arguments)
    try:
        base = _read(options.compare) if options.compare else None
        report, trouble = _run(options.only or list(SCENARIOS), options.quick)
    except BenchmarkError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print("\n".join(tables.closing(report)))
    if base is not None:
        _compare(base, report)
    if trouble:
        print(f"bench: {trouble}; the figures above were measured before", file=sys.stderr)
        return 1
    for path in (options.out, BASELINE if options.publish else None):
        if path is not None:
            path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    if options.publish:
        tables.publish(README, report)
        tables.publish(ON_KAFKA, report, only="kafka_")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py bench", description="Measures Gatewatch on this machine.")
    parser.add_argument("--quick", action="store_true", help="fewer events and fewer repeats")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, metavar="ID", help=", ".join(SCENARIOS))
    parser.add_argument(
        "--compare", type=Path, metavar="BASE.json", help="show this base against the new run"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument(
        "--publish",
        action="store_true",
        help="write them to benchmarks/baseline.json, benchmarks/README.md and docs/howto/kafka.md",
    )
    options = parser.parse_args(arguments)
    if options.publish and options.only:
        parser.error("--publish takes all scenarios")
    return options


def _run(ids: Sequence[str], quick: bool) -> tuple[Report, str]:
    """What was measured, and what ended it early, if anything did."""
    progress, trouble = Progress(), ""
    figures: list[Figure] = []
    yardsticks = [machine.yardstick()]
    with Scratch(progress) as scratch:
        bench = Bench(scratch, progress, quick)
        for id in ids:
            progress.say(f"{id}: {(SCENARIOS[id].__doc__ or '').strip()}")
            try:
                figures += SCENARIOS[id](bench)
            except BenchmarkError as error:
                trouble = f"{id}: {error}"
                break
            if id in PURE:
                yardsticks.append(machine.yardstick())
        found = machine.describe(scratch.postgres, scratch.fsync, median(yardsticks))
    return Report(VERSION, quick, found, tuple(figures)), trouble


def _read(path: Path) -> Report:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except (OSError, msgspec.DecodeError) as error:
        raise BenchmarkError(f"{path}: {error}") from None


def _compare(base: Report, head: Report) -> None:
    print(f"\nbase: {tables.machine_line(base.machine)}")
    if base.quick != head.quick:
        print("base and head are not of the same length (--quick): only what is per event or in µs compares")
    print("\n".join(tables.comparison(compare(base, head))))


if __name__ == "__main__":
    sys.exit(main())
