"""Importing: lines of files become records on the log, and every line is accounted for.

A chunk that could not be appended is sent again until it could: what lies on the log twice is stored once. An import
has landed when the pipeline has processed what it appended, reviewed the sources it touched, and relayed what followed.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

import msgspec

from gatewatch.core import records
from gatewatch.core.backoff import backoff
from gatewatch.core.records import EventRecord, RejectRecord
from gatewatch.ingest.contract import Adapter, Arrival, Ignored, Line, Result
from gatewatch.ports import LogWriter, Unavailable
from gatewatch.read_ports import ImportStore, Landed

#: Records, and about how many bytes, that are appended at once.
CHUNK = 1_000
CHUNK_BYTES = 4 << 20
#: The longest wait between attempts while the database is away, and between looks at how far the pipeline is (s).
MOST_BACKOFF = 2.0
POLL = 0.05

_T = TypeVar("_T")


class Watcher(Protocol):
    """Who is told how it goes."""

    def waiting(self, reason: str) -> None:
        """The database is away; called once per absence."""
        ...

    def resumed(self) -> None:
        """The database is back."""
        ...

    def assessing(self, left: int, of: int) -> None:
        """So many of the appended records are still to be processed."""
        ...


class Account(msgspec.Struct):
    """What the lines of one file, or of all, turned out to be.

    Every line is exactly one of: with logins (`event_lines`; it may give several events, and rejects beside them),
    ignored, or dead. `events` and `dead` count records.
    """

    lines: int = 0
    event_lines: int = 0
    dead_lines: int = 0
    events: int = 0
    ignored: Counter[str] = msgspec.field(default_factory=Counter)
    dead: Counter[str] = msgspec.field(default_factory=Counter)
    unfinished: list[str] = msgspec.field(default_factory=list)

    def take(self, results: Iterable[Result]) -> None:
        """Account for one line."""
        self.lines += 1
        events = dead = 0
        ignored: Ignored | None = None
        for result in results:
            if isinstance(result, EventRecord):
                events += 1
            elif isinstance(result, RejectRecord):
                dead += 1
                self.dead[result.reason] += 1
            else:
                ignored = ignored or result
        if ignored is not None and not (events or dead):  # an envelope may hold logins beside what is none
            self.ignored[ignored.reason] += 1
        self.events += events
        self.event_lines += events > 0
        self.dead_lines += dead > 0 and not events


class Summary(msgspec.Struct, frozen=True):
    """The end of an import: `stored` + `duplicates` + `conflicts` + `refused` = `account.events`.

    `refused` are events that became dead letters in the pipeline (older than the retention, or refused by the store).
    """

    account: Account
    stored: int
    duplicates: int
    conflicts: int
    refused: int


class Importer:
    """One import under an id of its own (`arrival.origin`). `patient`: wait while the database is away."""

    def __init__(
        self,
        log: LogWriter,
        store: ImportStore,
        arrival: Arrival,
        watcher: Watcher,
        pause: Callable[[float], None],
        *,
        patient: bool = True,
    ) -> None:
        self._log, self._store, self._arrival = log, store, arrival
        self._watcher, self._pause, self._patient = watcher, pause, patient
        self._chunk: list[tuple[str, bytes]] = []
        self._size = 0
        self.appended = 0
        self.account = Account()

    def bring(self, lines: Iterable[Line], adapter: Adapter) -> None:
        """Append what the lines hold. Where reading them fails midway, `flush` sends what came before."""
        for line in lines:
            results = adapter.read(line, self._arrival)
            self.account.take(results)
            for result in results:
                if not isinstance(result, Ignored):
                    self._add(result)
        self.flush()

    def add(self, record: EventRecord | RejectRecord) -> None:
        """Append one record that came by itself, as a line of its own; `flush` sends it."""
        self.account.take([record])
        self._add(record)

    def flush(self) -> None:
        """Append what was added and not yet sent."""
        if self._chunk:
            self._persist(lambda: self._log.append(self._chunk))
            self.appended += len(self._chunk)
            self._chunk, self._size = [], 0

    def _add(self, record: EventRecord | RejectRecord) -> None:
        value = records.encode(record)
        self._chunk.append((record.key, value))
        self._size += len(value)
        if len(self._chunk) >= CHUNK or self._size >= CHUNK_BYTES:
            self.flush()

    def _persist(self, attempt: Callable[[], _T]) -> _T:
        """Try until it works: the same chunk, the same question."""
        failures = 0
        while True:
            try:
                result = attempt()
            except Unavailable as error:
                if not self._patient:
                    raise
                failures += 1
                if failures == 1:
                    self._watcher.waiting(str(error))
                self._store.close()
                self._pause(backoff(0.05, failures, MOST_BACKOFF))
                continue
            if failures:
                self._watcher.resumed()
            return result

    # Until all of it has landed -------------------------------------------------------------------------------------

    def settle(self) -> Summary:
        """Wait until everything is assessed and reviewed, and say what became of it."""
        self._processed()
        while self._persist(self._landed).total < self.appended:
            self._processed()
            self._pause(POLL)
        self._reviewed()
        self._processed()
        return self._summary(self._persist(self._landed))

    def _landed(self) -> Landed:
        return self._store.landed(self._arrival.origin)

    def _processed(self) -> None:
        """The log as it stands is read; what that sent on (wrong partition, doubts) is relayed, and read as well."""
        ends = self._persist(self._store.log_ends)
        self._until(lambda: self._store.unread(ends))
        sent = self._persist(self._store.outbox_ends)
        self._until(lambda: self._store.unrelayed(sent), quietly=True)
        again = self._persist(self._store.log_ends)
        self._until(lambda: self._store.unread(again), quietly=True)

    def _reviewed(self) -> None:
        since = self._persist(self._store.now)
        self._until(lambda: self._store.due_reviews(since), quietly=True)

    def _until(self, left: Callable[[], int], *, quietly: bool = False) -> None:
        while remaining := self._persist(left):
            if not quietly:
                self._watcher.assessing(min(remaining, self.appended), self.appended)
            self._pause(POLL)
        if not quietly:
            self._watcher.assessing(0, self.appended)

    def _summary(self, landed: Landed) -> Summary:
        """A chunk that was sent twice (its answer was lost) comes back as duplicates beyond what was read."""
        account = self.account
        refused = max(0, landed.dead_letters - account.dead.total())
        refused = min(refused, account.events - landed.events)
        conflicts = min(landed.conflicts, account.events - landed.events - refused)
        duplicates = account.events - landed.events - refused - conflicts
        return Summary(account, landed.events, duplicates, conflicts, refused)
