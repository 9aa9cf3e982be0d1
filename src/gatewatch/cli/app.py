"""The application: its commands, its common options, and the one place where errors become a line."""

import os
import sys
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from gatewatch import bootstrap
from gatewatch import settings as configuration
from gatewatch.bootstrap import GeoProblem, InputProblem, MigrationError, ServerError
from gatewatch.cli import (
    access,
    administration,
    demo,
    explaining,
    imports,
    processes,
    questions,
    simulating,
    subjects,
    topics,
    watching,
)
from gatewatch.cli.errors import UserError
from gatewatch.cli.state import State
from gatewatch.log_ports import WrongLog
from gatewatch.ports import Unavailable
from gatewatch.read_ports import NotPrepared
from gatewatch.settings import Settings, SettingsError

app = typer.Typer(
    name="gatewatch",
    help="Detects anomalous logins in real time and says why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

#: The errors that a user or an operator can cause; anything else is a mistake of ours and shows its traceback.
EXPECTED = (
    UserError,
    SettingsError,
    MigrationError,
    ServerError,
    InputProblem,
    GeoProblem,
    WrongLog,
    typer.TyperException,
)
NOT_PREPARED = "the database has no tables yet: run `gatewatch migrate` (or `gatewatch up`)"
#: The exit codes of a command ended by Ctrl-C, and of one whose reader went away.
INTERRUPTED = 130
#: Columns where there is no terminal.
ENDLESS = 1_000


@app.callback()
def common(
    context: typer.Context,
    data_dir: Annotated[
        str, typer.Option(help="Where the embedded system lives (GATEWATCH_DATA_DIR).", show_default=False)
    ] = "",
    tenant: Annotated[
        str, typer.Option(help="The tenant to speak for (GATEWATCH_TENANT).", show_default=False)
    ] = "",
) -> None:
    """Detects anomalous logins in real time and says why."""
    given = {"data_dir": data_dir, "tenant": tenant}
    found = _with(configuration.current(), {name: value for name, value in given.items() if value})
    bootstrap.check(found)
    # Where there is no terminal nothing is folded or cut: a line is a row, for grep and for logs.
    out = Console() if sys.stdout.isatty() else Console(width=ENDLESS)
    context.obj = State(found, out, Console(stderr=True))


def _with(found: Settings, given: dict[str, str]) -> Settings:
    try:
        return msgspec.convert({**msgspec.structs.asdict(found), **given}, Settings)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$.")
        raise UserError(f"--{where.rstrip('`').replace('_', '-')}: {reason}") from error


for group in (
    processes,
    imports,
    simulating,
    demo,
    watching,
    questions,
    subjects,
    explaining,
    administration,
    access,
    topics,
):
    group.register(app)


def main() -> None:
    """Run a command; exits."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    try:
        code = app(arguments, prog_name="gatewatch", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except EXPECTED as error:
        return _fail(_plain(error), getattr(error, "exit_code", 1))
    except Unavailable as error:
        return _fail(f"the database cannot be reached: {error}")
    except NotPrepared:
        return _fail(NOT_PREPARED)
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _fail("stopped", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing is left to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _plain(error: Exception) -> str:
    found = error.format_message() if isinstance(error, typer.TyperException) else str(error)
    return " ".join(found.replace("Value error, ", "").split())


def _fail(message: str, code: int = 1) -> int:
    sys.stderr.write(f"gatewatch: {message}\n")
    return code
