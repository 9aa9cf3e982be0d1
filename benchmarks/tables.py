"""Figures as text: the closing table, the comparison, and the table of README.md."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Change, Figure, Machine, Report, standing

#: What a page says between these lines is written by `--publish`.
BEGIN = "<!-- figures: begin -->"
END = "<!-- figures: end -->"


def number(value: float) -> str:
    """A value with about three digits that mean something.

    >>> number(12345.6), number(123.4), number(12.34), number(0.4567)
    ('12,346', '123', '12.3', '0.457')
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def machine_line(machine: Machine) -> str:
    """The machine in one line."""
    database = f", PostgreSQL {machine.postgres} (fsync {machine.fsync})" if machine.postgres else ""
    return (
        f"{machine.cpu}, {machine.cores} cores, Python {machine.python} (core: {machine.core}){database};"
        f" load {machine.load:.1f} at the end, yardstick {machine.yardstick:.2f} µs"
    )


def closing(report: Report) -> list[str]:
    """The table that a run ends with."""
    rows = [(f.id, number(f.value), f.unit, _range(f), _standing(report, f)) for f in report.figures]
    return [machine_line(report.machine), *_aligned([("figure", "median", "", "range", ""), *rows])]


def comparison(changes: Sequence[Change]) -> list[str]:
    """Base against head. The factor is freed of the machine where it can be; verdicts go by it."""
    rows = [(c.id, number(c.base), number(c.head), c.unit, f"{c.factor:.2f}", c.verdict) for c in changes]
    return _aligned([("figure", "base", "head", "", "factor", ""), *rows])


def _standing(report: Report, found: Figure) -> str:
    """A quick import, or a quick run's lists, are too small to say anything of large ones."""
    small = report.quick and found.id.startswith(("import_memory.", "lists."))
    return "" if small else standing(found)


def _range(found: Figure) -> str:
    return f"{number(found.low)} … {number(found.high)}" if found.runs > 1 else ""


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if 0 < i < 3 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def markdown(report: Report, only: str = "") -> str:
    """The same as a table of Markdown, of the figures whose ids begin with `only`."""
    lines = ["| figure | median | unit | lowest … highest | |", "|---|--:|---|---|---|"]
    lines += [
        f"| `{f.id}` | {number(f.value)} | {f.unit} | {_range(f)} | {_standing(report, f)} |"
        for f in report.figures
        if f.id.startswith(only)
    ]
    length = "a quick run" if report.quick else "a full run"
    return "\n".join([f"Measured in {length} on {machine_line(report.machine)}.", "", *lines])


def publish(path: Path, report: Report, only: str = "") -> None:
    """Put the figures whose ids begin with `only` into a page, between its two marks."""
    text = path.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path.name} has no place for figures ({BEGIN} … {END})")
    path.write_text(f"{before}{BEGIN}\n{markdown(report, only)}\n{END}{after}", "utf-8")
