"""`gatewatch anomalies`, `events`, `user`, `source`, `dead-letters`: tables, or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from ipaddress import ip_address, ip_network
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from gatewatch.cli.asking import Json, Limit, Since, Until, moment, narrower, queries
from gatewatch.cli.errors import UserError
from gatewatch.cli.rendering import cell, columns, grid, pairs, score, severity, shown
from gatewatch.cli.rendering import moment as at
from gatewatch.cli.state import state_of
from gatewatch.core.events import user_key
from gatewatch.read_ports import AnomalyFilter, EventFilter, Tried
from gatewatch.services.queries import AnomalyView, EventView, SourceView, UserView, Usual, of_source

#: Values of an attribute that the page of a user shows.
SHOWN_VALUES = 4
SHOWN_ROWS = 10
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


class SourceKind(Enum):
    """What a source is."""

    IP = "ip"
    PREFIX = "prefix"
    ASN = "asn"
    COUNTRY = "country"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (anomalies, events, user, source):
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
        subject=subject.strip().casefold() or None,
        state=None if state == "any" else _one_of("--state", state, ("open", "withdrawn")),
        limit=limit,
    )
    with queries(here) as asked:
        found = asked.anomalies(wanted)
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
    low, high = _range(ip)
    wanted = EventFilter(
        since=moment("--since", since),
        until=moment("--until", until),
        user=user_key(user, "", "") if user else None,
        low=low,
        high=high,
        asn=asn,
        country=country.upper() or None,
        outcome=narrower(outcome),
        detector=narrower(detector),
        min_score=min_score,
        limit=limit,
    )
    with queries(here) as asked:
        found = asked.events(wanted)
    if json:
        for event in found:
            here.emit(event)
        return
    if not found:
        here.say("no events")
        return
    print_events(here.out, found)


def _range(text: str) -> tuple[str | None, str | None]:
    if not text:
        return None, None
    try:
        wanted = of_source("prefix", text)
    except ValueError:
        raise UserError(f"--ip: {text!r} is no address or prefix") from None
    return wanted.low, wanted.high


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


def user(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="USER", help="A name, or an id.")],
    json: Json = False,
) -> None:
    """What is known of a user."""
    here = state_of(context)
    with queries(here) as asked:
        found = asked.user(name)
    if found is None:
        raise UserError(f"nobody is known as {shown(name)!r}")
    if json:
        here.emit(found)
        return
    _print_user(here.out, found)


def _print_user(out: Console, found: UserView) -> None:
    facts: list[tuple[str, object]] = [
        (
            "user",
            found.name
            if found.name == found.user_id or not found.user_id
            else f"{found.name} ({found.user_id})",
        ),
        ("logins", f"{found.successes:,}" if found.known else "none: never got in"),
        ("first", at(found.first_success)),
        ("last seen", at(found.last_seen)),
        ("risk", f"{found.risk:g} (the highest recent score; halves in a week)"),
    ]
    for label, attribute in (
        ("from", "ip"),
        ("networks", "asn"),
        ("countries", "country"),
        ("devices", "device"),
    ):
        facts.append((label, _usual(found.usual[attribute])))
    facts.append(("hours", _hours(found.usual["hour"])))
    if found.held:
        facts.append(("on probation", f"{len(found.held)} logins that are not trusted yet"))
    pairs(out, facts)
    _print_lists(out, found.anomalies)
    if found.events:
        out.print("\nRecent logins", style="bold")
        print_events(out, found.events[:SHOWN_ROWS], with_user=False)


def _print_lists(out: Console, found: Sequence[AnomalyView]) -> None:
    if found:
        out.print("\nAnomalies", style="bold")
        print_anomalies(out, found[:SHOWN_ROWS])


def _usual(values: Sequence[Usual]) -> str:
    shown_values = ", ".join(f"{shown(v.value, 40)} ({v.weight:g})" for v in values[:SHOWN_VALUES])
    more = len(values) - SHOWN_VALUES
    return (shown_values + (f" and {more} more" if more > 0 else "")) or "-"


def _hours(values: Sequence[Usual]) -> str:
    """The hours of the day (UTC) as 24 bars."""
    hours = [0.0] * 24
    for value in values:
        hours[int(value.value) % 24] += value.weight
    most = max(hours)
    if not most:
        return "-"
    bars = "".join(" ▁▂▃▄▅▆▇█"[round(8 * hour / most)] if hour else "·" for hour in hours)
    return f"0h {bars} 24h (UTC)"


def source(
    context: typer.Context,
    value: Annotated[str, typer.Argument(metavar="SOURCE", help="An address, prefix, AS number or country.")],
    kind: Annotated[
        SourceKind | None, typer.Option(help="What it is, where that cannot be told.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """What a source did: an address, a prefix, a network, a country."""
    here = state_of(context)
    what, canonical = (kind.value, value) if kind is not None else _kind_of(value)
    try:
        of_source(what, canonical)
    except ValueError as error:
        raise UserError(f"{shown(value)!r} is no {what}: {shown(error)}") from None
    with queries(here) as asked:
        found = asked.source(what, canonical)
    if found is None:
        raise UserError(f"nothing ever came from {what} {shown(canonical)}")
    if json:
        here.emit(found)
        return
    _print_source(here.out, found)


def _kind_of(value: str) -> tuple[str, str]:
    """What a value is by its look."""
    text = value.strip()
    try:
        return "ip", str(ip_address(text))
    except ValueError:
        pass
    try:
        return "prefix", str(ip_network(text, strict=False))
    except ValueError:
        pass
    number = text.upper().removeprefix("AS")
    if number.isdecimal():
        return "asn", number
    if len(text) == 2 and text.isalpha():
        return "country", text.upper()
    raise UserError(f"{shown(value)!r} is no address, prefix, AS number or country")


def _print_source(out: Console, found: SourceView) -> None:
    pairs(
        out,
        [
            ("source", f"{found.kind} {found.value}"),
            (
                "failures",
                f"{found.failures:,} (up to the newest: {found.failures_10m:,} in 10 min,"
                f" {found.failures_1h:,} in the hour, {found.failures_1d:,} in the day)",
            ),
            ("first, last", f"{at(found.first)}, {at(found.last)}"),
            ("busiest", _busiest(found)),
        ],
    )
    _print_lists(out, found.anomalies)
    if found.tried:
        out.print("\nUsers tried", style="bold")
        columns(
            out, [_tried(row) for row in found.tried[:SHOWN_ROWS]], grid("user", "failed", "got in", "last")
        )
    if found.successes:
        out.print("\nWho got in", style="bold")
        print_events(out, found.successes[:SHOWN_ROWS])


def _tried(row: Tried) -> list[Text | str]:
    return [shown(row.user, 40), f"{row.failures:,}", f"{row.successes:,}", at(row.last)]


def _busiest(found: SourceView) -> str:
    if not found.windows:
        return "-"
    window = max(found.windows, key=lambda w: (w.failures, w.start))
    return f"{window.failures:,} failures on {window.users:,} users in ten minutes from {at(window.start)}"


def dead_letters(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Only with this reason.", show_default=False)] = "",
    limit: Limit = 25,
    json: Json = False,
) -> None:
    """What could not be read, and why."""
    here = state_of(context)
    with queries(here) as asked:
        found = asked.dead_letters(narrower(reason), limit)
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
