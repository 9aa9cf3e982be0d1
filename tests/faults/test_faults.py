"""The fault test, short: every kind of fault at least once, every invariant."""

import secrets

from tests.faults import nemesis
from tests.faults.__main__ import show
from tests.faults.run import Trial, run

SECONDS = 34.0


def test_everything_dies_and_nothing_is_lost() -> None:
    """Whatever is killed, stopped or cut, all that was acknowledged is stored and assessed as a replay says."""
    seed = secrets.randbelow(1_000_000)
    print(f"seed {seed}")
    report = run(Trial(seed, SECONDS, 14_000, 10.0, nemesis.SHORT, bucket_life=17.0))
    show(report)
    assert report.passed, (
        f"python3 run.py faults --seed {seed} --seconds {SECONDS:g} --events 14000 --days 10"
    )
    for kind in ("kill -9", "SIGSTOP", "backend ended", "crash", "policy", "partitions", "geo"):
        assert any(what.startswith(kind) for what in report.happened), f"no {kind} happened"
    assert report.checked["source buckets deleted"] > 0
