"""`python -m tests.faults --seed N --seconds S`: the fault test alone, as long as you like; `--matrix`: the matrix."""

import argparse
import secrets
import signal
import sys
from pathlib import Path

from tests.faults import nemesis
from tests.faults.run import Report, Trial, run

#: How many lines of each violated check are printed.
SHOWN = 10


def main(arguments: list[str]) -> int:
    """Run one test and print what happened; 1 where an invariant was violated."""
    if "--matrix" in arguments:
        # Imported here: the fault test on the embedded log needs nothing of Kafka.
        from tests.faults.matrix import command

        return command.main([argument for argument in arguments if argument != "--matrix"])
    parser = argparse.ArgumentParser(prog="python3 run.py faults", description=__doc__)
    parser.add_argument("--matrix", action="store_true", help="one fault after the other, on Kafka (--help)")
    parser.add_argument("--seed", type=int, default=None, help="of the events and of the faults")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long things go wrong")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--days", type=float, default=14.0, help="simulated days")
    parser.add_argument("--keep", type=Path, help="a folder for database and logs, which stay")
    given = parser.parse_args(arguments)
    seed = given.seed if given.seed is not None else secrets.randbelow(1_000_000)
    print(f"seed {seed}", flush=True)
    # Whoever ends us wants our processes and the server to end as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
    report = run(test_of(seed, given.seconds, given.events, given.days), keep=given.keep)
    show(report)
    print(
        f"{'passed' if report.passed else 'FAILED'}: seed {seed}, {given.seconds:g} s, {given.events:,} events"
    )
    return 0 if report.passed else 1


def test_of(seed: int, seconds: float, events: int, days: float) -> Trial:
    """A trial of this size. Buckets live as long as three simulated days take, and a stall on top."""
    amounts = nemesis.FULL if seconds >= 120 else nemesis.SHORT
    return Trial(seed, seconds, events, days, amounts, bucket_life=3 * 0.93 * seconds / days + 12.0)


def show(report: Report) -> None:
    """Print the table of what was injected and found, and each violation."""
    for title, counts in (("happened", report.happened), ("found", report.checked)):
        print(f"\n{title}")
        for name, n in sorted(counts.items()):
            print(f"  {n:>9,}  {name}")
    print("\nchecked")
    for name, violations in report.violations.items():
        print(f"  {'ok' if not violations else f'{len(violations):,} violations':>16}  {name}")
        for line in violations[:SHOWN]:
            print(f"      {line[:2000]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
