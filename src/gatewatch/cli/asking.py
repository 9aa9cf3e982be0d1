"""What the questions have in common: the tenant's queries, times, and JSON."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from gatewatch import bootstrap
from gatewatch.cli.attendance import reachable
from gatewatch.cli.errors import UserError
from gatewatch.cli.state import State
from gatewatch.services.queries import Queries

Json = Annotated[bool, typer.Option("--json", help="One JSON value per line.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")]
Since = Annotated[
    str, typer.Option(help="From then on: 2026-03-30T16:00, or 90m, 24h, 7d ago.", show_default=False)
]
Until = Annotated[str, typer.Option(help="Before then.", show_default=False)]

_AGO = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@contextlib.contextmanager
def queries(state: State) -> Iterator[Queries]:
    """The questions that can be asked about the tenant."""
    with reachable(state.settings) as conninfo:
        found = bootstrap.queries(lambda: conninfo, state.settings.tenant)
        try:
            yield Queries(found)
        finally:
            found.close()


def moment(option: str, text: str) -> datetime | None:
    """A time, absolute (UTC unless it names a zone) or ago. Raises `UserError`."""
    if not text:
        return None
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UserError(f"{option}: {text!r} is no time (2026-03-30T16:00, 90m, 24h, 7d)") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def narrower(wanted: str | None) -> str | None:
    """An option's text, None where it was not given."""
    return wanted or None
