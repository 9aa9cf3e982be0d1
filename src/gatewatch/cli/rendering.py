"""Values as text and tables. What strangers chose (names, agents) never reaches the terminal unfiltered."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

COLOURS = {
    "critical": "bold white on red",
    "high": "bold red",
    "medium": "yellow",
    "low": "cyan",
    "none": "dim",
}


def shown(value: object, most: int = 200) -> str:
    """A value in printable characters: a name can hold anything, and a terminal obeys some of it."""
    text = "".join(c if c.isprintable() else "?" for c in str(value)[: most + 1])
    return text if len(text) <= most else text[: most - 1] + "…"


def cell(value: object, style: str = "", most: int = 300) -> Text:
    """A table's cell, without markup."""
    return Text(shown(value, most), style=style)


def severity(level: str) -> Text:
    """A level in its colour."""
    return Text(level, style=COLOURS.get(level, ""))


def moment(time: datetime | None) -> str:
    """`2026-03-30 16:01:36`, UTC."""
    return f"{time:%Y-%m-%d %H:%M:%S}" if time is not None else "never"


def score(points: int, level: str) -> Text:
    """A score in its level's colour."""
    return Text(f"{points}", style=COLOURS.get(level, ""))


def grid(*columns: str | tuple[str | Text, dict[str, Any]]) -> Table:
    """A plain table; a column is its heading, with options of `Table.add_column`."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        heading, options = (column, {}) if isinstance(column, str) else column
        table.add_column(heading, **options)
    return table


def columns(out: Console, rows: Iterable[Sequence[Text | str]], table: Table) -> None:
    """Print a table."""
    for row in rows:
        table.add_row(*row)
    out.print(table)


def pairs(out: Console, found: Sequence[tuple[str, object]]) -> None:
    """Names with their values, aligned."""
    widest = max((len(name) for name, _ in found), default=0)
    for name, value in found:
        line = Text(f"{name:<{widest}}  ", style="dim")
        line.append(value if isinstance(value, Text) else cell(value))
        out.print(line, soft_wrap=not out.is_terminal)


def facts(evidence: dict[str, Any]) -> str:
    """Evidence as `key value` pairs."""
    return ", ".join(f"{key} {_fact(value)}" for key, value in evidence.items())


def _fact(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return "[" + " ".join(_fact(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} {_fact(item)}" for key, item in value.items()) + "}"
    return shown(value)
