"""`gatewatch import`: files, or standard input, into the log, until all of it is assessed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, tzinfo
from enum import Enum
from pathlib import Path
from time import sleep
from typing import Annotated
from uuid import uuid4
from zoneinfo import ZoneInfo

import typer

from gatewatch import bootstrap
from gatewatch.bootstrap import InputProblem, LogFile
from gatewatch.cli import stopping
from gatewatch.cli.attendance import Attendance, Log
from gatewatch.cli.errors import UserError
from gatewatch.cli.progress import Progress, progress_for
from gatewatch.cli.state import State, state_of
from gatewatch.core.times import from_datetime
from gatewatch.ingest.contract import Arrival
from gatewatch.ingest.registry import ADAPTERS
from gatewatch.services.importing import Importer, Summary


class Source(Enum):
    """The sources of `ingest.registry.ADAPTERS`, as the command line offers them."""

    NATIVE = "native"
    SEED = "seed"
    SSHD = "sshd"
    ENTRA = "entra"
    KEYCLOAK = "keycloak"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_files)


def import_files(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Files to read; - is standard input.")],
    source: Annotated[Source, typer.Option(help="What kind of records they hold.")],
    tenant: Annotated[str, typer.Option(help="Whose they are.", show_default=False)] = "",
    zone: Annotated[str, typer.Option(help="The zone of times that name none (Europe/Oslo).")] = "UTC",
    received_at: Annotated[
        str,
        typer.Option(
            help="When they arrived (ISO 8601): stamps without a year are resolved against it. Default: now.",
            show_default=False,
        ),
    ] = "",
    detectors: Annotated[int, typer.Option(min=1, max=64, help="Detectors to run where none runs.")] = 1,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Fail where the database is away, instead of waiting.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Import recorded logins and wait until they are assessed; a second import of the same changes nothing."""
    stopping.by_interrupt()
    state = state_of(context)
    if tenant:
        state = state.with_settings(tenant=tenant)
    arrival = Arrival(
        tenant_id=state.settings.tenant,
        received=moment_of("--received-at", received_at),
        source=source.value,
        origin=f"import-{uuid4()}",
        zone=_zone(zone),
    )
    with progress_for(state.err) as progress:
        work = _Import(state, arrival, progress, patient=not no_wait)
        summary = work.run(files, detectors)
    if json:
        state.emit(as_json(summary, work.problems))
    else:
        for line in describe(summary):
            state.out.print(line, markup=False, highlight=False, soft_wrap=True)
    if work.problems:
        raise UserError("; ".join(work.problems))


def _zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UserError(f"--zone: there is no time zone {name!r}") from None


def moment_of(option: str, text: str) -> int:
    """An event time (µs) from an option; "" is now. Raises `UserError`."""
    try:
        moment = datetime.fromisoformat(text) if text else datetime.now(UTC)
    except ValueError:
        raise UserError(f"{option}: {text!r} is no time (2026-04-20T12:00:00Z)") from None
    return from_datetime(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))


class _Import:
    """One run of the command."""

    def __init__(self, state: State, arrival: Arrival, progress: Progress, *, patient: bool) -> None:
        self._state, self._arrival, self._progress, self._patient = state, arrival, progress, patient
        self.problems: list[str] = []

    def run(self, files: list[str], detectors: int) -> Summary:
        """Import the files that can be read; the others are `problems`."""
        readable = [file for file in files if self._opens(file)]
        if not readable:
            raise UserError("; ".join(self.problems))
        settings, say = self._state.settings, self._progress.say
        with Attendance(settings, say, command="import", detectors=detectors) as system:
            log, store = Log(system), bootstrap.imports(settings, lambda: system.conninfo)
            importer = Importer(log, store, self._arrival, self._progress, sleep, patient=self._patient)
            try:
                for file in readable:
                    self._bring(importer, file)
                return importer.settle()
            finally:
                log.close()
                store.close()

    def _opens(self, file: str) -> bool:
        """Whether a file can be read at all: nothing is started for one that cannot."""
        if file == "-":
            return True
        try:
            with Path(file).open("rb"):
                return True
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self.problems.append(f"{file}: {why}.")
            return False

    def _bring(self, importer: Importer, file: str) -> None:
        adapter = ADAPTERS[self._arrival.source]
        try:
            with LogFile(file, adapter.framing, progress=self._progress.reading) as lines:
                self._progress.begin(lines.name, lines.total)
                importer.bring(lines, adapter(lines.identity))
                if lines.ends_mid_line:
                    importer.account.unfinished.append(lines.name)
        except InputProblem as problem:
            importer.flush()
            self.problems.append(str(problem))


def describe(summary: Summary) -> list[str]:
    """The closing lines: every line is accounted for."""
    account = summary.account
    found = [
        f"{account.lines:,} lines read",
        f"  {account.event_lines:,} with {account.events:,} logins: {summary.stored:,} stored,"
        f" {summary.duplicates:,} already known, {summary.conflicts:,} conflicts (same id, other content)",
        f"  {account.ignored.total():,} ignored{_reasons(account.ignored)}",
        f"  {account.dead_lines:,} unreadable: {account.dead.total():,} dead letters{_reasons(account.dead)}",
    ]
    if summary.refused:
        found.append(f"  {summary.refused:,} logins became dead letters in the pipeline")
    if account.dead or summary.refused:
        found.append("  `gatewatch dead-letters` shows what could not be read, and why")
    found += [f"  {name} ends in mid-line: its last piece was read as a line" for name in account.unfinished]
    return found


def _reasons(counted: Counter[str]) -> str:
    listed = ", ".join(f"{reason} {count:,}" for reason, count in counted.most_common())
    return f" ({listed})" if listed else ""


def as_json(summary: Summary, problems: list[str]) -> dict[str, object]:
    """The summary for machines."""
    account = summary.account
    return {
        "lines": account.lines,
        "event_lines": account.event_lines,
        "dead_lines": account.dead_lines,
        "events": account.events,
        "stored": summary.stored,
        "duplicates": summary.duplicates,
        "conflicts": summary.conflicts,
        "refused": summary.refused,
        "ignored": dict(account.ignored),
        "dead_letters": dict(account.dead),
        "ends_mid_line": account.unfinished,
        "problems": problems,
    }
