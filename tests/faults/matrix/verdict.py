"""What must hold at the end of a scene: the checks of the heart's fault test, and what is Kafka's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gatewatch.adapters.postgres.connection import Session
from gatewatch.adapters.postgres.store import PostgresStore
from gatewatch.bootstrap import SystemClock
from gatewatch.detectors import extended_engine
from tests.faults import checks, findings
from tests.faults.checks import Sent
from tests.faults.matrix.published import Told, published
from tests.faults.stored import Stored

#: The longest recovery that passes, in seconds.
LIMIT = 5.0
#: Fewer stored events than these prove nothing.
ENOUGH = 500

Violations = dict[str, list[str]]


def violations(
    conninfo: str, sent: Sent, stored: Stored, said: Sequence[Told], went_back: bool = False
) -> Violations:
    """What is not as it must be, by check."""
    engine = extended_engine()
    session = Session(conninfo)
    try:
        store = PostgresStore(session, SystemClock(), timedelta(seconds=5))
        expected = findings.expected(engine, store, stored)
    finally:
        session.close()
    return {
        "acknowledged, stored exactly once": checks.acknowledged(sent, stored),
        "dead letters": checks.dead_letters(sent, stored),
        "replay": checks.replay(engine, stored),
        "columns of anomalies": checks.anomaly_columns(stored),
        "buckets of sources": checks.source_state(stored),
        "counts of values": checks.value_counts(stored),
        "roll-ups": checks.rollups(stored),
        "findings": findings.findings(expected, stored),
        "doubts": findings.doubts(stored),
        "outbox": checks.outbox(stored),
        "offsets": checks.offsets(stored),
        "published": published(said, stored, went_back),
        "load": load(stored),
    }


def load(stored: Stored) -> list[str]:
    """There was something to lose."""
    n = len(stored.events)
    return [] if n >= ENOUGH else [f"only {n} events were stored: that proves nothing"]


def recovery(seconds: float | None) -> list[str]:
    """It took no longer than promised; None where there was nothing to recover from."""
    if seconds is None or seconds <= LIMIT:
        return []
    return [f"recovery took {seconds:.1f} s, more than {LIMIT:g} s"]
