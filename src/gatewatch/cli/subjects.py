"""`gatewatch user`, `gatewatch source`: all there is to know of one."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from ipaddress import ip_address, ip_network
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from gatewatch.cli.asking import Json, queries
from gatewatch.cli.errors import UserError
from gatewatch.cli.questions import print_anomalies, print_events
from gatewatch.cli.rendering import columns, grid, pairs, shown
from gatewatch.cli.rendering import moment as at
from gatewatch.cli.state import state_of
from gatewatch.read_ports import Tried
from gatewatch.services.queries import LATEST, of_source
from gatewatch.services.source_views import SourceView
from gatewatch.services.views import AnomalyView, UserView, Usual

#: Values of an attribute, and rows of a list, that a page shows.
SHOWN_VALUES = 4
SHOWN_ROWS = 10


class SourceKind(Enum):
    """What a source is."""

    IP = "ip"
    PREFIX = "prefix"
    ASN = "asn"
    COUNTRY = "country"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (user, source):
        app.command()(command)


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
        of = f" (latest {LATEST:,} events)" if found.tried_since else ""
        out.print(f"\nUsers tried{of}", style="bold")
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
