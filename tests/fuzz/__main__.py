"""`python -m tests.fuzz --seed N --examples N`: the whole HTTP API against its OpenAPI document."""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
from collections import Counter

from gatewatch import logs
from tests.conftest import migrated_template
from tests.fuzz.run import Round, run
from tests.support.servers import running


def main(arguments: list[str]) -> int:
    """Run it once and print what was sent; 1 where an answer was not as documented."""
    parser = argparse.ArgumentParser(prog="python3 run.py fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="of the requests")
    parser.add_argument(
        "--examples", type=int, default=100, help="random requests per operation and phase, at most"
    )
    given = parser.parse_args(arguments)
    seed = given.seed if given.seed is not None else secrets.randbelow(1_000_000)
    logs.configure("warning", "api")
    # Whoever ends us wants the server to end as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with running() as server, server.fresh(migrated_template(server)) as conninfo:
        rounds = run(conninfo, seed, given.examples)
    show(rounds)
    passed = not any(found.faults for found in rounds)
    print(
        f"{'passed' if passed else 'FAILED'}: seed {seed}, {sum(found.tally.total() for found in rounds):,} requests"
    )
    return 0 if passed else 1


def show(rounds: list[Round]) -> None:
    """Print how many requests went out as whom, with which answers, and each fault."""
    for found in rounds:
        statuses = Counter[int]()
        for (_, status), number in found.tally.items():
            statuses[status] += number
        print(
            f"\n{found.caller.scheme or 'nobody'}: {found.tally.total():,} requests, {len(found.operations)} operations"
        )
        print("  " + ", ".join(f"{status}: {number:,}" for status, number in sorted(statuses.items())))
        for fault in found.faults:
            print(f"  {fault}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
