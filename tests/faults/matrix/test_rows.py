"""One cheap row of the matrix; all of them: `python3 run.py faults --matrix`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from scripts.kafka import Unavailable
from tests.faults.matrix.command import ROWS, judged, world
from tests.faults.matrix.ground import Ground, ground
from tests.support import kafka

_LOSE = (
    "WITH lost AS (DELETE FROM login_events WHERE event_id = (SELECT max(event_id) FROM login_events) RETURNING 1)"
    " SELECT count(*)::int FROM lost"
)


@pytest.fixture(scope="module")
def on() -> Iterator[Ground]:
    """A broker and a database of their own; without Kafka the row is skipped, in CI it fails."""
    try:
        with ground() as found:
            found.quiet = 1.0
            yield found
    except Unavailable as error:
        kafka.missing(error)


def test_a_row_passes_and_fails_where_something_is_lost(on: Ground) -> None:
    """Answers to COMMIT are cut and nothing is lost; then one stored event goes, and the same checks tell."""
    row, seed = ROWS["commit-reply-cut"], secrets.randbelow(1_000_000)
    print(f"seed {seed}")
    with row.opened(on, seed, world(seed, row.oddities)) as scene:
        row.play(scene)
        assert judged(row, scene, scene.finish()) == {}
        assert scene.rows(_LOSE) == [(1,)]
        found = judged(row, scene, scene.violations())
    assert {"acknowledged, stored exactly once", "roll-ups"} <= found.keys()
