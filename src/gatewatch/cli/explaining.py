"""`gatewatch explain`: the build-up of a score, with the baseline against the observed."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from gatewatch.cli.asking import Json, queries
from gatewatch.cli.errors import UserError
from gatewatch.cli.questions import print_anomalies
from gatewatch.cli.rendering import cell, facts, pairs, score, shown
from gatewatch.cli.rendering import moment as at
from gatewatch.cli.state import state_of
from gatewatch.core.context import Context, SourceNumbers
from gatewatch.services.views import AnomalyView, Explanation, Later, Reason

#: Characters of the bar that stands for a hundred points.
BAR = 40


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    context: typer.Context,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The id of an event, or of an anomaly.")],
    json: Json = False,
) -> None:
    """Why a login got its score: what each detector saw, against what it knew."""
    here = state_of(context)
    with queries(here) as asked:
        found = asked.explain(event)
        named = asked.anomaly(event) if found is None else None
    if found is not None:
        here.emit(found) if json else _print(here.out, found)
    elif named is not None:
        here.emit(named) if json else _print_finding(here.out, named)
    else:
        raise UserError(f"there is no event or anomaly {shown(event)!r}")


def _print(out: Console, found: Explanation) -> None:
    event = found.event
    place = ", ".join(part for part in (event.city, event.country) if part) or "place unknown"
    verdict = score(event.score, event.level)
    verdict.append(f" {event.level}, {found.action}", style="")
    pairs(
        out,
        [
            ("event", event.event_id),
            ("time", f"{at(event.time)} UTC{' (late)' if event.late else ''}"),
            ("user", event.user or "-"),
            ("outcome", f"{event.outcome}{f' ({event.reason})' if event.reason else ''}"),
            (
                "from",
                f"{event.ip or 'unknown'}, {place}{f', AS{event.asn} {event.org}' if event.asn else ''}",
            ),
            ("client", event.client or "-"),
            ("score", verdict),
        ],
    )
    _print_reasons(out, found.reasons, event.score)
    for note in [*found.notes, *found.degraded]:
        out.print(Text(f"  note  {note}", style="dim"))
    _print_knowledge(out, found)
    for later in found.later:
        _print_later(out, later)
    if found.anomalies:
        out.print("\nAnomalies it stands for", style="bold")
        print_anomalies(out, found.anomalies)


def _print_reasons(out: Console, reasons: list[Reason], total: int) -> None:
    if not reasons:
        out.print("\nNo detector saw anything in it.")
        return
    out.print("\nHow the score adds up", style="bold")
    for reason in reasons:
        line = Text(f"  {reason.points:>3}  ")
        line.append("█" * max(1, round(BAR * reason.points / 100)), style="red")
        line.append(f" {reason.detector}", style="bold")
        line.append(f" ({reason.kind}{', ' + ' '.join(reason.attack) if reason.attack else ''})", style="dim")
        out.print(line)
        out.print(Text(f"       {shown(reason.sentence, 400)}"))
        out.print(Text(f"       {facts(reason.evidence)}", style="dim"))
    out.print(Text(f"  {total:>3}  in all", style="bold"))


def _print_knowledge(out: Console, found: Explanation) -> None:
    out.print("\nWhat was known around it", style="bold")
    for name, text in _around(found.context):
        out.print(Text(f"  {name:<8} {text}"))
    learnt = "on probation: it teaches little until it has proved good" if found.held else "learnt as normal"
    taught = f"{learnt} (weight {found.weight})" if found.weight else "taught nothing"
    out.print(Text(f"  {'trust':<8} {taught}"))
    out.print(Text(f"  {'policy':<8} revision {found.policy}"))
    if (given := found.decision) is not None:
        said = ", ".join(
            f"{what} {how}" for what, how in (("login", given.login), ("challenge", given.challenge)) if how
        )
        out.print(
            Text(
                f"  {'decision':<8} {given.action} (score {given.score}, verdict {given.would_action}) by revision"
                f" {given.policy} in {given.mode} mode{f'; then {said}' if said else ''}"
            )
        )


def _around(context: Context) -> list[tuple[str, str]]:
    found = [
        (name, _numbers(numbers))
        for name, numbers in (
            ("address", context.ip),
            ("prefix", context.prefix),
            ("network", context.asn),
            ("tenant", context.tenant),
        )
    ]
    if context.frequencies.total:
        counted = context.frequencies
        found.append(
            (
                "others",
                f"{counted.ip:,} of {counted.total:,} logins here had this address, {counted.asn:,} the network",
            )
        )
    return found


def _numbers(numbers: SourceNumbers) -> str:
    if numbers == SourceNumbers():
        return "quiet"
    text = (
        f"{numbers.failures_10m:,} failures in 10 min, {numbers.failures_1h:,} in the hour,"
        f" {numbers.failures_1d:,} in the day; {numbers.users_1h:,} users"
    )
    return f"{text}; under {numbers.finding}" if numbers.finding else text


def _print_later(out: Console, later: Later) -> None:
    out.print(Text(f"\nLater: {later.kind}{f' {later.verdict}' if later.verdict else ''}", style="bold"))
    if later.finding:
        out.print(Text(f"  a finding on its source cast doubt on it: {later.finding}"))
    for sentence in later.sentences:
        out.print(Text(f"  {shown(sentence, 400)}"))


def _print_finding(out: Console, found: AnomalyView) -> None:
    """A finding on a source is no single event."""
    pairs(
        out,
        [
            ("anomaly", found.id),
            ("detector", f"{found.detector} ({found.severity}, {found.score}, {found.state})"),
            ("subject", f"{found.subject_kind} {found.subject}"),
            ("when", f"{at(found.first_seen)} to {at(found.last_seen)}"),
            ("failures", f"{found.count:,}"),
        ],
    )
    out.print(cell(found.sentence, "bold"))
    out.print(Text(f"  {facts(found.evidence)}", style="dim"))
