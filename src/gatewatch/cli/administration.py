"""`gatewatch policy show|set`."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gatewatch import bootstrap
from gatewatch.cli.asking import queries
from gatewatch.cli.attendance import reachable
from gatewatch.cli.errors import UserError
from gatewatch.cli.state import state_of
from gatewatch.services.policies import PolicyRefused, set_policy


def register(app: typer.Typer) -> None:
    """Add the commands."""
    policy = typer.Typer(help="The thresholds that decide.", no_args_is_help=True)
    policy.command("show")(show)
    policy.command("set")(set_)
    app.add_typer(policy, name="policy")


def show(context: typer.Context) -> None:
    """Print the policy in force, as JSON."""
    state = state_of(context)
    with queries(state) as asked:
        found = asked.policy()
    state.out.file.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")


def set_(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON; what it leaves out has its default.")],
) -> None:
    """Put a policy into force as the next revision; every source is reviewed by it."""
    state = state_of(context)
    text = _read(file)
    with reachable(state.settings) as conninfo:
        store = bootstrap.policies(conninfo, state.settings.tenant)
        try:
            stored = set_policy(store, text, who())
        except PolicyRefused as error:
            raise UserError(f"{file}: {error}") from None
        finally:
            store.close()
    state.say(f"policy revision {stored.revision} is in force for {state.settings.tenant}")


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(f"{file}: {why}") from None


def who() -> str:
    """Who changed something, as far as a command line knows."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"
