"""Each check of the matrix can fail, and is silent where nothing is wrong."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from gatewatch.core import anomalies, records
from gatewatch.core.anomalies import Anomaly
from gatewatch.core.partitioning import partition_of
from gatewatch.ports import ANOMALIES, DEAD_LETTERS
from tests.builders import START, login
from tests.faults.matrix import client, results, rows_broker, verdict
from tests.faults.matrix.client import Answered
from tests.faults.matrix.command import ROWS
from tests.faults.matrix.published import Told, published
from tests.faults.matrix.results import Result
from tests.faults.matrix.rows_processes import read_twice
from tests.faults.matrix.rows_records import sent_on
from tests.faults.matrix.watch import advanced
from tests.faults.scenario import BEFORE
from tests.faults.stored import Message, Stored
from tests.integration.heart.rig import record_of

# Recovery and redelivery ---------------------------------------------------------------------------------------------


def test_a_late_recovery_is_found() -> None:
    """Five seconds pass, more do not; where nothing was to recover from, nothing is demanded."""
    assert verdict.recovery(None) == verdict.recovery(verdict.LIMIT) == []
    assert verdict.recovery(verdict.LIMIT + 0.1) == ["recovery took 5.1 s, more than 5 s"]


def test_recovery_waits_for_every_partition() -> None:
    """Of two partitions the one that goes on later counts; while one has not, there is none."""
    seen = [(1.0, {0: 5, 1: 7}), (2.0, {0: 6, 1: 7}), (3.5, {0: 6, 1: 8})]
    assert advanced(seen, [0, 1]) == 3.5
    assert advanced(seen[:2], [0, 1]) is None
    assert advanced([], [0]) is None


def test_what_is_read_twice_is_found() -> None:
    """A detector that reads again what another had read is told; what was before the moment is not looked at."""
    batches = [(1.0, "a", 0, 0, 10), (2.0, "b", 0, 8, 12), (3.0, "a", 1, 0, 3), (4.0, "b", 0, 12, 20)]
    assert read_twice(batches, 2.5) == []
    assert read_twice(batches, 0.0) == ["b read partition 0 from 8 on, which had been read to 10"]


# Published -----------------------------------------------------------------------------------------------------------


def _anomaly(version: int) -> bytes:
    found = Anomaly(
        id="a1",
        tenant_id="acme",
        subject_kind="user",
        subject="alice",
        detector="new_country",
        slot=0,
        code="new_country",
        severity="low",
        score=30,
        count=version,
        first_seen=START,
        last_seen=START,
        version=version,
    )
    return anomalies.encode(found)


OUTBOX = cast(
    "Stored",
    SimpleNamespace(
        outbox=[
            Message(0, 1, ANOMALIES, _anomaly(1)),
            Message(0, 2, ANOMALIES, _anomaly(2)),
            Message(0, 3, DEAD_LETTERS, msgspec.json.encode({"id": "d1"})),
        ]
    ),
)
SAID = [Told(ANOMALIES, "a1.1", b"1"), Told(ANOMALIES, "a1.2", b"2"), Told(DEAD_LETTERS, "d1", b"3")]


def test_all_that_was_published_is_as_it_must_be() -> None:
    """Messages may come again as they were."""
    assert published([*SAID, *SAID[1:]], OUTBOX) == []


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (SAID[:2], "never published: ('gatewatch.logins.dead-letter', 'd1')"),
        ([*SAID, Told(ANOMALIES, "a1.3", b"?")], "not in the outbox: ('gatewatch.anomalies', 'a1.3')"),
        ([*SAID, Told(ANOMALIES, "a1.1", b"?")], "with other contents: ('gatewatch.anomalies', 'a1.1')"),
    ],
    ids=["lost", "invented", "another"],
)
def test_what_was_published_otherwise_is_found(said: list[Told], wrong: str) -> None:
    """A message that is missing, belongs to nothing, or says something else under the same id is told."""
    (found,) = published(said, OUTBOX)
    assert wrong in found


def test_a_database_that_went_back_forgives_a_past_and_no_loss() -> None:
    """Where transactions were lost with a server, what was published of them may stand; all else must be published."""
    assert published([*SAID, Told(ANOMALIES, "a1.3", b"?")], OUTBOX, went_back=True) == []
    assert len(published(SAID[1:], OUTBOX, went_back=True)) == 1


# Records -------------------------------------------------------------------------------------------------------------


def _sent(n: int) -> list[tuple[str, bytes]]:
    found = [record_of(login(START + i, event_id=f"e{i}")) for i in range(n)]
    return [(record.key, records.encode(record)) for record in found]


def test_what_is_sent_on_once_is_right() -> None:
    """Each record lies once where it belongs, one of them on a wrong partition as well."""
    sent, right = _sent(2), partition_of(_sent(1)[0][0], BEFORE)
    lying = [(right, *sent[0]), ((right + 1) % BEFORE, *sent[1]), (right, *sent[1])]
    assert sent_on(sent, lying) == []


@pytest.mark.parametrize("copies", [0, 2])
def test_what_is_sent_on_twice_or_never_is_found(copies: int) -> None:
    """A stray record that lies twice where it belongs, or never, is told."""
    sent = _sent(1)
    right = partition_of(sent[0][0], BEFORE)
    (found,) = sent_on(sent, [((right + 1) % BEFORE, *sent[0]), *copies * [(right, *sent[0])]])
    assert f"1 were sent, {copies} lie" in found


def test_a_gap_accounts_for_what_it_took() -> None:
    """What was acknowledged is on the log or in the gap; what is in neither is told, and a gap without anything too."""
    sent = _sent(3)
    acknowledged, surviving = rows_broker.sent_by(sent), rows_broker.sent_by(sent[1:])
    assert rows_broker.unaccounted(acknowledged, surviving, rows_broker.sent_by(sent[:1])) == []
    (lost,) = rows_broker.unaccounted(
        acknowledged, rows_broker.sent_by(sent[2:]), rows_broker.sent_by(sent[:1])
    )
    assert "'e1') was acknowledged" in lost
    assert rows_broker.unaccounted(surviving, surviving, rows_broker.sent_by([])) == ["no event was lost"]


def test_a_gap_is_from_its_first_offset_to_before_its_end() -> None:
    """Neither the offset after a gap nor another partition's is lost."""
    gaps = {3: (10, 12)}
    assert [off for off in range(8, 15) if rows_broker.is_lost((3, off), gaps)] == [10, 11]
    assert not rows_broker.is_lost((2, 10), gaps)


# Answers -------------------------------------------------------------------------------------------------------------

TOLD = [Answered(0.0, 0.1, 202, False), Answered(10.0, 15.0, 503, True), Answered(61.0, 61.1, 202, False)]


def test_honest_answers() -> None:
    """Taken before and after, told to come again in between."""
    assert client.wrong_answers(TOLD, 1.0, 60.0, 12.0) == []


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (Answered(20.0, 20.1, 202, False), "acknowledged while no broker"),
        (Answered(20.0, 25.0, 503, False), "neither accepted nor told when"),
        (Answered(20.0, 50.0, 0, False), "neither accepted nor told when"),
        (Answered(20.0, 50.0, 503, True), "it took more than 12 s"),
    ],
    ids=["false promise", "no Retry-After", "no answer", "late"],
)
def test_an_answer_that_is_none_is_found(answer: Answered, wrong: str) -> None:
    """A promise without a broker is told, and every answer of which a client does not know what to make."""
    (found,) = client.wrong_answers([*TOLD, answer], 1.0, 60.0, 12.0)
    assert wrong in found


def test_an_outage_that_nobody_felt_is_none() -> None:
    """Where nobody was refused, nothing was proved."""
    assert client.wrong_answers(TOLD[:1], 1.0, 60.0, 12.0) == ["nobody was told to come again"]


# The table -----------------------------------------------------------------------------------------------------------


def _result(seed: int, **changes: object) -> Result:
    passed = Result("zombie", seed, "PASS", "", {}, 15, float(seed), 30.0)
    return msgspec.structs.replace(passed, **changes)


def _row(found: list[Result]) -> str:
    lines = results.table(ROWS.values(), found).splitlines()
    return next(line for line in lines if line.startswith("| `zombie` |"))


def test_the_table_says_what_was_measured() -> None:
    """Median and worst recovery of the seeds, and how many passed."""
    failed = _result(3, outcome="FAIL", violations={"replay": ["x"]})
    assert _row([_result(1), _result(2), failed]).endswith("| 2.0 / 3.0 | 2 of 3 seeds |")


def test_what_was_not_run_is_never_passed() -> None:
    """A row that this machine cannot play, or that nobody played, is not run."""
    not_run = _result(1, outcome="not run", recovery=None)
    assert _row([]).endswith("| - | not run |")
    assert _row([not_run]).endswith("| - | not run |")
    assert len(results.table(ROWS.values(), []).splitlines()) == 2 + len(ROWS)


def test_the_table_has_its_place(tmp_path: Path) -> None:
    """What stands between the marks is replaced, nothing else; a page without them is refused."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{results.BEGIN}\nold\n{results.END}\nafter\n")
    results.write("new", page)
    assert page.read_text() == f"before\n{results.BEGIN}\nnew\n{results.END}\nafter\n"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="no place"):
        results.write("new", page)


def test_every_row_is_documented() -> None:
    """The page of the matrix has a line for each row, as the rows say it."""
    page = results.PAGE.read_text()
    for row in ROWS.values():
        assert f"| `{row.name}` | {row.injection} | {row.also} |" in page
