"""`gatewatch anomalies`, `events`, `dead-letters`: tables, or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from gatewatch.cli.asking import Json, Limit, Since, Until, moment, narrower, queries
from gatewatch.cli.errors import UserError
from gatewatch.cli.rendering import cell, columns, grid, score, severity
from gatewatch.cli.rendering import moment as at
from gatewatch.cli.state import state_of
from gatewatch.read_ports import AnomalyFilter, DeadLetterFilter, EventFilter
from gatewatch.services.queries import of_source
from gatewatch.services.views import AnomalyView, EventView

#: Digits of an anomaly's id that stand for it on a terminal, and how wide one must be to show an event's.
SHORT_ID = 8
WIDE = 130
SEVERITIES = ["low", "medium", "high", "critical"]


class Severity(Enum):
    """The least severity to show."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (anomalies, events):
        app.command()(command)
    app.command("dead-letters")(dead_letters)


def anomalies(
    context: typer.Context,
    since: Since = "",
    until: Until = "",
    detector: Annotated[str, typer.Option(help="Only this detector's.", show_default=False)] = "",
    least: Annotated[
        Severity | None, typer.Option("--severity", help="This severity or above.", show_default=False)
    ] = None,
    subject: Annotated[str, typer.Option(help="A user, an address, a prefix.", show_default=False)] = "",
    state: Annotated[str, typer.Option(help="open, withdrawn, or any.")] = "open",
    limit: Limit = 25,
    json: Json = False,
) -> None:
    """Anomalies, the latest first."""
    here = state_of(context)
    wanted = AnomalyFilter(
        since=moment("--since", since),
        until=moment("--until", until),
        detector=narrower(detector),
        severities=SEVERITIES[SEVERITIES.index(least.value) :] if least else None,
        state=None if state == "any" else _one_of("--state", state, ("open", "withdrawn")),
    )
    with queries(here) as asked:
        named = asked.subject_meant(subject) or None
        found = asked.anomalies(msgspec.structs.replace(wanted, subject=named), limit)
    if json:
        for anomaly in found:
            here.emit(anomaly)
        return
    if not found:
        here.say("no anomalies")
        return
    print_anomalies(here.out, found)


def _one_of(option: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise UserError(f"{option}: {value!r} is none of {', '.join(allowed)}, any")
    return value


def print_anomalies(out: Console, found: Sequence[AnomalyView]) -> None:
    """A table of anomalies; `gatewatch explain` takes the beginning of an id."""
    table = grid(
        ("last hit", {"no_wrap": True}),
        ("severity", {"no_wrap": True}),
        "why",
        ("hits", {"no_wrap": True, "justify": "right"}),
        ("id", {"no_wrap": True}),
    )
    rows = [
        (
            at(a.last_seen),
            severity(a.severity),
            cell(_sentence(a), "dim" if a.state != "open" else ""),
            f"{a.count:,}",
            a.id[:SHORT_ID] if out.is_terminal else a.id,
        )
        for a in found
    ]
    columns(out, rows, table)


def _sentence(found: AnomalyView) -> str:
    state = "" if found.state == "open" else f"({found.state}) "
    return f"{state}{found.detector}: {found.sentence}"


def events(
    context: typer.Context,
    since: Since = "",
    until: Until = "",
    user: Annotated[str, typer.Option(help="Only this user's.", show_default=False)] = "",
    ip: Annotated[str, typer.Option(help="Only from this address or prefix.", show_default=False)] = "",
    asn: Annotated[int | None, typer.Option(help="Only from this network.", show_default=False)] = None,
    country: Annotated[str, typer.Option(help="Only from there (NO).", show_default=False)] = "",
    outcome: Annotated[
        str, typer.Option(help="success, failure, challenge, unknown.", show_default=False)
    ] = "",
    detector: Annotated[str, typer.Option(help="Only with its signal.", show_default=False)] = "",
    min_score: Annotated[int | None, typer.Option(min=0, max=100, show_default=False)] = None,
    limit: Limit = 25,
    json: Json = False,
) -> None:
    """Logins, the latest first."""
    here = state_of(context)
    wanted = EventFilter(
        since=moment("--since", since),
        until=moment("--until", until),
        network=_network(ip),
        asn=asn,
        country=country.upper() or None,
        outcome=narrower(outcome),
        detector=narrower(detector),
        min_score=min_score,
    )
    with queries(here) as asked:
        named = asked.user_meant(user) if user else None
        found = asked.events(msgspec.structs.replace(wanted, user=named), limit)
    if json:
        for event in found:
            here.emit(event)
        return
    if not found:
        here.say("no events")
        return
    print_events(here.out, found)


def _network(text: str) -> str | None:
    if not text:
        return None
    try:
        return of_source("prefix", text).network
    except ValueError:
        raise UserError(f"--ip: {text!r} is no address or prefix") from None


def print_events(out: Console, found: Sequence[EventView], *, with_user: bool = True) -> None:
    """A table of events; ids only where there is room for them."""
    with_id = out.width >= WIDE
    headings: list[tuple[str, dict[str, Any]]] = [
        ("time", {"no_wrap": True}),
        ("outcome", {"no_wrap": True}),
        *([("user", {"overflow": "fold"})] if with_user else []),
        ("from", {"overflow": "fold"}),
        ("score", {"no_wrap": True, "justify": "right"}),
        ("what stood out", {}),
        *([("id", {"no_wrap": True})] if with_id else []),
    ]
    columns(out, [_event_row(e, with_user, with_id) for e in found], grid(*headings))
    if not with_id:
        out.print("a wider terminal or --json shows the ids that `gatewatch explain` takes", style="dim")


def _event_row(event: EventView, with_user: bool, with_id: bool) -> list[Text | str]:
    return [
        at(event.time),
        cell(event.outcome, "red" if event.outcome == "failure" else "green"),
        *([cell(event.user or "-", most=40)] if with_user else []),
        cell(_from(event)),
        score(event.score, event.level),
        cell(", ".join(dict.fromkeys(event.detectors)) or "-"),
        *([cell(event.event_id, most=64)] if with_id else []),
    ]


def _from(event: EventView) -> str:
    place = ", ".join(part for part in (event.city, event.country) if part)
    return f"{event.ip or 'unknown'}{f' ({place})' if place else ''}"


def dead_letters(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Only with this reason.", show_default=False)] = "",
    limit: Limit = 25,
    json: Json = False,
) -> None:
    """What could not be read, and why."""
    here = state_of(context)
    with queries(here) as asked:
        found = asked.dead_letters(DeadLetterFilter(reason=narrower(reason)), limit)
    if json:
        for letter in found:
            here.emit(msgspec.structs.asdict(letter))
        return
    if not found:
        here.say("no dead letters")
        return
    rows: list[list[Text | str]] = [
        [
            at(d.received_at),
            d.source,
            d.reason,
            cell(d.detail),
            f"{d.size:,}",
            cell(d.raw.decode("utf-8", "replace").strip(), "dim"),
        ]
        for d in found
    ]
    columns(
        here.out,
        rows,
        grid(
            "received",
            "source",
            "reason",
            "detail",
            "bytes",
            ("record", {"overflow": "ellipsis", "no_wrap": True}),
        ),
    )
