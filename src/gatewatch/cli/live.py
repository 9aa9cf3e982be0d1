"""The live view as text: what there is to see at a moment, fitted to a terminal of any size."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from gatewatch.cli.rendering import COLOURS, severity, shown
from gatewatch.cli.sparkline import sparkline
from gatewatch.read_ports import Pulse, Totals
from gatewatch.services.views import AnomalyView, EventView

#: From this width on, an anomaly takes one line; below, two, so that its sentence can be read to the end.
ONE_LINE = 160
#: From this width on, an event says where from and why.
WIDE = 120
#: Below this height there is no room for events.
LOW = 16
SEVERITIES = ("critical", "high", "medium", "low")


class Snapshot(msgspec.Struct):
    """Everything a view shows. `rates` are events per second, one for each past second; `away` says why the
    database cannot be asked just now ("" where it can), `notice` is the supervisor's last word.
    """

    title: str
    now: datetime
    pulse: Pulse | None = None
    totals: Totals | None = None
    rates: list[float] = []
    anomalies: list[AnomalyView] = []
    events: list[EventView] = []
    away: str = ""
    notice: str = ""


def view(found: Snapshot, width: int, height: int) -> RenderableType:
    """The view in `width` columns and `height` lines."""
    header = [_title(found, width), _flow(found, width), _counts(found)]
    room = max(1, height - len(header) - 2)
    standing_out = _apart(found.events)
    events = min(_rows_of_events(room), max(1, len(standing_out))) if height >= LOW else 0
    parts: list[RenderableType] = [
        *header,
        Rule("latest anomalies (medium and above)", style="dim", align="left"),
    ]
    parts.append(_anomalies(found.anomalies, width, room - (events + 1 if events else 0)))
    if events:
        parts.append(Rule("latest logins that stood out", style="dim", align="left"))
        parts.append(_events(standing_out, width, events))
    return Group(*parts)


def _rows_of_events(room: int) -> int:
    return max(3, room // 3)


def _title(found: Snapshot, width: int) -> Text:
    line = Text(" Gatewatch ", style="bold reverse", no_wrap=True, overflow="ellipsis")
    line.append(f" {found.title}", style="bold")
    pulse = found.pulse
    if found.away:
        line.append(f"  waiting for PostgreSQL: {shown(found.away, 60)}", style="bold red")
    elif pulse is not None:
        line.append(f"  PostgreSQL {pulse.server}")
        style = "" if pulse.members else "bold red"
        line.append(f"  {pulse.members} detector{'' if pulse.members == 1 else 's'}", style=style)
    clock = f"{found.now:%H:%M:%S} UTC"
    line.append(" " * max(1, width - line.cell_len - len(clock)) + clock, style="dim")
    return line


def _flow(found: Snapshot, width: int) -> Text:
    pulse, totals = found.pulse, found.totals
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f" {totals.events if totals else 0:,}", style="bold")
    line.append(" events  ")
    line.append(f"{found.rates[-1] if found.rates else 0:,.0f}/s ", style="bold")
    behind = Text()
    if pulse is not None:
        lag = sum(pulse.lag.values())
        behind.append("  lag ")
        behind.append(f"{lag:,}", style="yellow" if lag > _rate(found) else "green")
        behind.append(f"  reviews due {pulse.review_queue:,}  outbox {pulse.outbox:,}")
    line.append(
        sparkline(found.rates, max(0, min(60, width - line.cell_len - behind.cell_len - 1))), style="cyan"
    )
    return line.append_text(behind)


def _rate(found: Snapshot) -> float:
    """Lag is worth a colour when it is more than what five seconds bring."""
    return max(500.0, 5 * (found.rates[-1] if found.rates else 0.0))


def _counts(found: Snapshot) -> Text:
    line = Text(" open anomalies ", no_wrap=True, overflow="ellipsis")
    totals = found.totals
    for level in SEVERITIES:
        count = sum(by.get(level, 0) for by in totals.anomalies.values()) if totals else 0
        line.append(f" {count:,} {level} ", style=COLOURS[level] if count else "dim")
        line.append(" ")
    if totals is not None:
        line.append(f" {totals.users:,} users known", style="dim")
    if found.notice:
        line.append(f"  {shown(found.notice)}", style="yellow")
    return line


def _anomalies(found: Sequence[AnomalyView], width: int, room: int) -> RenderableType:
    if not found:
        return _padded([Text("  none yet", style="dim")], room)
    if width >= ONE_LINE:
        return _wide(found[:room], room)
    lines: list[Text] = []
    for anomaly in found[
        : max(1, room // 2)
    ]:  # never one without its sentence, but where there is one line only
        lines += _narrow(anomaly)
    return _padded(lines[:room], room)


def _narrow(found: AnomalyView) -> list[Text]:
    head = Text(f" {found.last_seen:%m-%d %H:%M:%S} ", no_wrap=True, overflow="ellipsis")
    head.append_text(Text(f"{found.severity:<8}", style=COLOURS.get(found.severity, "")))
    head.append(f" {found.detector}", style="bold")
    why = Text(f"   {shown(found.sentence, 300)}", no_wrap=True, overflow="ellipsis")
    return [head.append(_times(found), style="dim"), why]


def _times(found: AnomalyView) -> str:
    return f" ({found.count:,} hits)" if found.count > 1 else ""


def _wide(found: Sequence[AnomalyView], room: int) -> RenderableType:
    table = Table.grid(padding=(0, 1), expand=True)
    for ratio in (0, 0, 0, 1):
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=ratio or None)
    for anomaly in found:
        table.add_row(
            Text(f" {anomaly.last_seen:%m-%d %H:%M:%S}"),
            severity(anomaly.severity),
            Text(anomaly.detector, style="bold"),
            Text(shown(anomaly.sentence, 400) + _times(anomaly)),
        )
    for _ in range(room - len(found)):
        table.add_row("")
    return table


def _events(found: Sequence[EventView], width: int, room: int) -> RenderableType:
    table = Table.grid(padding=(0, 1), expand=True)
    for _ in range(4 if width < WIDE else 5):
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for event in found[:room]:
        place = ", ".join(part for part in (event.city, event.country) if part)
        table.add_row(
            Text(f" {event.time:%m-%d %H:%M:%S}"),
            Text(f"{event.score:>3}", style=COLOURS.get(event.level, "")),
            Text(event.outcome, style="green" if event.outcome == "success" else "red"),
            Text(shown(event.user or "-", 20)),
            *([Text(shown(f"{event.ip} {place}", 44))] if width >= WIDE else []),
            Text(shown(event.why if width >= WIDE else ", ".join(event.detectors), 300), style="dim"),
        )
    if not found:
        table.add_row(Text("  none yet", style="dim"))
    return table


def _apart(found: Sequence[EventView]) -> list[EventView]:
    """The latest of each user and outcome: an attack under way must not push out everything else."""
    latest: dict[tuple[str, str], EventView] = {}
    for event in found:
        latest.setdefault((event.user, event.outcome), event)
    return list(latest.values())


def _padded(lines: list[Text], room: int) -> Group:
    return Group(*lines, *(Text("") for _ in range(room - len(lines))))
