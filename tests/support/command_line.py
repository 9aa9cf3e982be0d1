"""Command lines written elsewhere (compose.yaml, the chart): are they ones that `gatewatch` takes?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from gatewatch.cli.app import app


class NoCommand(Exception):
    """There is no such command."""


def parse(words: Sequence[str]) -> None:
    """Parse a command line as `gatewatch` does, without running it. Raises `NoCommand`, or what typer does."""
    group: Any = typer.main.get_command(app)
    while hasattr(group, "commands"):
        if words[0] not in group.commands:
            raise NoCommand(words[0])
        group, words = group.commands[words[0]], words[1:]
    group.make_context("gatewatch", list(words))
