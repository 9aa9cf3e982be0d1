"""The live view: fits any terminal, and lets no stranger's bytes through."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from gatewatch.cli.live import Snapshot, view
from gatewatch.cli.rendering import shown
from gatewatch.cli.sparkline import sparkline
from gatewatch.read_ports import Pulse, Totals
from gatewatch.services.views import AnomalyView, EventView

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def anomaly(number: int, sentence: str) -> AnomalyView:
    """An anomaly with a sentence."""
    return AnomalyView(
        id=f"{number:032x}",
        detector="account_takeover",
        severity="critical",
        score=94,
        state="open",
        subject_kind="user",
        subject="alice",
        sentence=sentence,
        count=number,
        first_seen=NOW,
        last_seen=NOW,
        event_id="e1",
        attack=("T1110",),
        evidence={},
        version=1,
        opened_at=NOW,
        updated_at=NOW,
    )


def event(user: str) -> EventView:
    """An event that stood out."""
    return EventView(
        event_id="e1",
        time=NOW,
        source="native",
        activity="logon",
        outcome="failure",
        reason="",
        user=user,
        ip="2001:db8:41:2c1b:e377:5825:5257:fa9f",
        country="NO",
        city="Oslo",
        asn=64_512,
        org="Example",
        client="Chrome on Windows",
        score=70,
        level="high",
        detectors=["brute_force"],
        why="The user was tried.",
        late=False,
    )


def full(sentence: str = "alice signed in from 192.0.2.1 " * 9) -> Snapshot:
    """A snapshot with more than fits."""
    return Snapshot(
        title="demo",
        now=NOW,
        pulse=Pulse(1_000, {0: 5, 1: 7}, 2, 3, 4, "18.6"),
        totals=Totals(123_456, 1_000, 0, {"account_takeover": {"critical": 3, "low": 7}}),
        rates=[float(n) for n in range(200)],
        anomalies=[anomaly(n, sentence) for n in range(60)],
        events=[event(f"user{n}") for n in range(60)],
    )


def drawn(found: Snapshot, width: int, height: int) -> list[str]:
    """The lines of the view."""
    console = Console(file=StringIO(), width=width, height=height, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(view(found, width, height))
    return capture.get().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 160, 200])
@pytest.mark.parametrize("height", [8, 12, 16, 24, 40, 70])
@pytest.mark.parametrize("empty", [False, True])
def test_it_fits(width: int, height: int, empty: bool) -> None:
    """Full or empty, the view is never higher or wider than the terminal."""
    found = Snapshot("demo", NOW) if empty else full()
    lines = drawn(found, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_at_80_columns_it_shows_what_matters() -> None:
    """Totals, rate, lag, counts by severity, an anomaly with its sentence, an event."""
    text = "\n".join(drawn(full(), 80, 24))
    for part in ("123,456", "199/s", "lag 12", "3 critical", "account_takeover", "alice signed in", "user0"):
        assert part in text


def test_it_says_when_the_database_is_away() -> None:
    """What was seen last stays, under a line that says what is waited for."""
    found = full()
    found.away = "connection refused"
    text = "\n".join(drawn(found, 100, 24))
    assert "waiting for PostgreSQL: connection refused" in text
    assert "account_takeover" in text


def test_names_cannot_command_the_terminal() -> None:
    """Control characters of a stranger's choice are shown as question marks, markup as it is."""
    assert shown("a\x1b[2Jb\u202e\x07\n[red]") == "a?[2Jb???[red]"
    assert "\x1b" not in "".join(drawn(full("\x1b[2J[bold]"), 80, 24))


@pytest.mark.parametrize(
    ("values", "width", "bars"),
    [([], 5, ""), ([0, 0], 5, "▁▁"), ([1, 2, 4], 2, "▅█"), ([5], 0, "")],
)
def test_sparkline(values: list[float], width: int, bars: str) -> None:
    """The last values, scaled to the highest among them."""
    assert sparkline(values, width) == bars
