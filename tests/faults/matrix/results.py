"""What was measured, kept from run to run, and the table of it in the documentation."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Literal

import msgspec

from tests.faults.matrix.rows import Row
from tests.support.servers import LOCAL, ROOT

#: Where results are kept, and where the table goes.
KEPT = LOCAL / "fault-matrix"
PAGE = ROOT / "docs" / "explanation" / "fault-matrix.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
#: So many seeds make a row of the table.
SEEDS = 3

Outcome = Literal["PASS", "FAIL", "not run"]


class Result(msgspec.Struct, frozen=True):
    """One scene: what was done, the violations of each check (how many there are at all), and how long the slowest
    recovery (None: there was nothing to recover from) and the whole took (s).
    """

    row: str
    seed: int
    outcome: Outcome
    happened: str
    violations: dict[str, list[str]]
    checks: int
    recovery: float | None
    took: float

    @property
    def line(self) -> str:
        """In one line."""
        good = self.checks - len(self.violations)
        recovered = "-" if self.recovery is None else f"{self.recovery:.1f} s"
        return (
            f"{self.outcome:<7} {self.row:<20} seed {self.seed:<6} checks {good}/{self.checks}"
            f"  recovery {recovered:>6}  {self.took:4.0f} s  {self.happened}"
        )


def keep(result: Result) -> None:
    """Remember a result, instead of an earlier one of the same row and seed."""
    KEPT.mkdir(parents=True, exist_ok=True)
    name = f"{result.row}-{result.seed}.json"
    (KEPT / name).write_bytes(msgspec.json.format(msgspec.json.encode(result)))


def keep_logs(row: str, seed: int, folder: Path) -> None:
    """Keep the logs of a scene's processes."""
    place = KEPT / f"{row}-{seed}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for log in folder.glob("*.log"):
        shutil.copy(log, place)


def kept() -> list[Result]:
    """All that is remembered."""
    return [msgspec.json.decode(file.read_bytes(), type=Result) for file in sorted(KEPT.glob("*.json"))]


def table(rows: Iterable[Row], results: Iterable[Result]) -> str:
    """One line per row: what is done, what must hold, recoveries, and how many seeds passed."""
    by_row: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_row[result.row].append(result)
    lines = [
        "| Row | Injection | Must hold, beside what always must | Recovery, median and worst (s) | Passed |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_line(row, by_row[row.name]) for row in rows)])


def _line(row: Row, results: Sequence[Result]) -> str:
    ran = [one for one in results if one.outcome != "not run"]
    passed = sum(one.outcome == "PASS" for one in ran)
    found = [one.recovery for one in ran if one.recovery is not None]
    recovery = f"{median(found):.1f} / {max(found):.1f}" if found else "-"
    stands = f"{passed} of {len(ran)} seeds" if ran else "not run"
    return f"| `{row.name}` | {row.injection} | {row.also} | {recovery} | {stands} |"


def write(text: str, page: Path = PAGE) -> None:
    """Put a table between the marks of a page."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for the table")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
