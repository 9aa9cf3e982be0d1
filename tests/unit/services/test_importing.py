"""Importing against a log that fails: the same chunk again, and every line accounted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from gatewatch.core import records
from gatewatch.core.records import EventRecord, RejectRecord
from gatewatch.ingest.contract import Adapter
from gatewatch.ingest.native import NativeAdapter
from gatewatch.ingest.sshd import SshdAdapter
from gatewatch.ports import Unavailable
from gatewatch.read_ports import Landed
from gatewatch.services.feeding import feed, steadily
from gatewatch.services.importing import CHUNK, Importer, Summary
from tests.ingesting import arrival, lines

GOOD = b'{"event_id": "%d", "outcome": "success", "occurred_at": "2026-11-22T10:00:00Z", "user": {"name": "alice"}}\n'


class FailingLog:
    """A log and its pipeline in memory: appends fail as often as told, some of them after all was stored."""

    def __init__(self, failures: int = 0, *, stored_all_the_same: bool = False) -> None:
        self.failures, self.stored_all_the_same = failures, stored_all_the_same
        self.appended: list[tuple[str, bytes]] = []
        self.appends = 0

    def append(self, found: Sequence[tuple[str, bytes]]) -> None:
        """See `ports.LogWriter`; it may fail."""
        self.appends += 1
        if self.failures:
            self.failures -= 1
            if self.stored_all_the_same:
                self.appended += found
            raise Unavailable("it is away")
        self.appended += found

    def log_ends(self) -> dict[int, int]:
        """One partition."""
        return {0: len(self.appended)}

    def unread(self, ends: Mapping[int, int]) -> int:
        """All is read at once."""
        return 0 * len(ends)

    def outbox_ends(self) -> dict[int, int]:
        """There is no outbox."""
        return {}

    def unrelayed(self, ends: Mapping[int, int]) -> int:
        """Nothing waits."""
        return len(ends)

    def now(self) -> datetime:
        """The clock."""
        return datetime.now(UTC)

    def due_reviews(self, since: datetime) -> int:
        """Nothing waits."""
        return int(since > datetime.now(UTC))

    def landed(self, origin: str) -> Landed:
        """What the log holds of an import."""
        found = [records.decode(value) for _, value in self.appended]
        events = [r for r in found if isinstance(r, EventRecord) and r.origin == origin]
        distinct = {event.event.event_id for event in events}
        dead = sum(isinstance(r, RejectRecord) for r in found)
        return Landed(len(distinct), len(events) - len(distinct), 0, dead)

    def close(self) -> None:
        """Nothing is open."""


def no_pause(seconds: float) -> None:
    """Nothing is worth waiting for in memory."""
    assert seconds > 0


class Notes:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def waiting(self, reason: str) -> None:
        """The log is away."""
        self.said.append(reason)

    def resumed(self) -> None:
        """It is back."""
        self.said.append("back")

    def assessing(self, left: int, of: int) -> None:
        """How far it is."""
        assert left <= of


def bring(
    log: FailingLog, data: bytes, adapter: Adapter, source: str = "native"
) -> tuple[Summary, list[str]]:
    """Import bytes; returns the summary and what the watcher was told."""
    notes = Notes()
    importer = Importer(log, log, arrival(source), notes, no_pause)
    importer.bring(lines(data, source), adapter)
    return importer.settle(), notes.said


def test_a_chunk_that_failed_is_sent_again() -> None:
    """While the log is away the same chunk is tried again, said once, and nothing is lost."""
    log = FailingLog(3)
    data = b"".join(GOOD % i for i in range(CHUNK + 5))
    summary, said = bring(log, data, NativeAdapter("f"))
    assert summary.stored == CHUNK + 5
    assert said == ["it is away", "back"]
    assert log.appends == 5


def test_what_was_stored_although_the_answer_was_lost_counts_once() -> None:
    """A chunk that lies on the log twice is stored once, and its echo is no duplicate of the file's."""
    summary, _ = bring(FailingLog(2, stored_all_the_same=True), GOOD % 1 + GOOD % 2, NativeAdapter("f"))
    assert (summary.stored, summary.duplicates, summary.conflicts) == (2, 0, 0)


def test_an_impatient_import_does_not_wait() -> None:
    """Who does not want to wait is told at once."""
    importer = Importer(FailingLog(1), FailingLog(), arrival(), Notes(), no_pause, patient=False)
    with pytest.raises(Unavailable, match="it is away"):
        importer.bring(lines(GOOD % 1), NativeAdapter("f"))


def test_every_line_is_a_login_ignored_or_dead() -> None:
    """A line that stands for several events counts once; blank and unreadable ones are told apart."""
    data = (
        b"Mar 30 15:54:19 host sshd[1]: Failed password for root from 192.0.2.1 port 22 ssh2\n"
        b"Mar 30 15:54:20 host sshd[1]: message repeated 3 times:"
        b" [ Failed password for root from 192.0.2.1 port 22 ssh2]\n"
        b"Mar 30 15:54:21 host CRON[2]: pam_unix(cron:session): session opened\n"
        b"\n"
        b"Mar 30 15:54:22 host sshd[1]: Failed password for root from 192.0.2.999 port 22 ssh2\n"
    )
    summary, _ = bring(FailingLog(), data, SshdAdapter("f"), "sshd")
    account = summary.account
    assert account.lines == 5
    assert (account.event_lines, account.events) == (2, 4)
    assert account.event_lines + account.ignored.total() + account.dead_lines == account.lines
    assert account.dead.total() == 1


def test_feeding_sends_what_is_due_and_waits_for_the_rest() -> None:
    """Events go out when they are due: those of the same moment together, with waits that add up to the rhythm."""
    log, now, waits = FailingLog(), [0.0], [0.0]

    def pause(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    importer = Importer(log, log, arrival(), Notes(), pause)
    events = [r for i in range(5) for r in NativeAdapter("f").read(lines(GOOD % i)[0], arrival())]
    feed(importer, (e for e in events if isinstance(e, EventRecord)), steadily(2.0), lambda: now[0], pause)
    assert sum(waits) == pytest.approx(2.0)
    assert log.appends == 5
