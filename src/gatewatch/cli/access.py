"""`gatewatch keys create|list|revoke`, `gatewatch admin create|reset-password`."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from gatewatch import bootstrap
from gatewatch.access_ports import Permission
from gatewatch.bootstrap import Administration
from gatewatch.cli.administration import who
from gatewatch.cli.asking import Json
from gatewatch.cli.attendance import reachable
from gatewatch.cli.errors import UserError
from gatewatch.cli.rendering import cell, columns, grid, moment
from gatewatch.cli.state import State, state_of
from gatewatch.services.access import ADMIN, Refused, generated_password

#: What a key may be for; what people do needs a person.
SCOPES = ("ingest", "decide", "read")
_LIFE = re.compile(r"(\d{1,5})([hd])")

PasswordFile = Annotated[
    str,
    typer.Option(
        metavar="FILE",
        help="Read the password from a file's first line (`-`: standard input), instead of making one up.",
        show_default=False,
    ),
]
AccountName = Annotated[str, typer.Argument(metavar="NAME", help="What to log in with.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    keys = typer.Typer(help="API keys for programs.", no_args_is_help=True)
    keys.command("create")(create_key)
    keys.command("list")(list_keys)
    keys.command("revoke")(revoke_key)
    app.add_typer(keys, name="keys")
    admin = typer.Typer(help="Accounts for people.", no_args_is_help=True)
    admin.command("create")(create_admin)
    admin.command("reset-password")(reset_password)
    app.add_typer(admin, name="admin")


@contextlib.contextmanager
def _administration(state: State) -> Iterator[Administration]:
    with reachable(state.settings) as conninfo:
        doing = bootstrap.administration(conninfo, state.settings.tenant)
        try:
            yield doing
        except Refused as error:
            raise UserError(str(error)) from None
        finally:
            doing.close()


def create_key(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
    scope: Annotated[str, typer.Option(help="What it may, with commas: ingest, decide, read.")] = "ingest",
    expires: Annotated[
        str, typer.Option(help="When it ends by itself: 12h, 90d from now.", show_default=False)
    ] = "",
    key_file: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Put the key of a file's first line into force instead; one that is in force stays so.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Create an API key for the tenant. It is printed once, and stored as a hash."""
    state, scopes, life = state_of(context), _scopes(scope), _life(expires)
    given = _read(key_file) if key_file else None
    with _administration(state) as doing:
        if given is not None:
            new = doing.keys.register(given, name, scopes, who(), life)
            state.say(f"the key is in force{'' if new else ' already'}")
            return
        key = doing.keys.create(name, scopes, who(), life)
    state.say(f"a key of {state.settings.tenant} for {', '.join(scopes)}; it will not be shown again:")
    state.out.file.write(f"{key}\n")


def _scopes(text: str) -> list[Permission]:
    wanted = [name.strip() for name in text.split(",")]
    for name in wanted:
        if name not in SCOPES:
            raise UserError(f"--scope: {name!r} is none of {', '.join(SCOPES)}")
    return [cast(Permission, name) for name in get_args(Permission) if name in wanted]


def _life(text: str) -> timedelta | None:
    if not text:
        return None
    found = _LIFE.fullmatch(text)
    if found is None or not int(found[1]):
        raise UserError(f"--expires: {text!r} is no time from now (12h, 90d)")
    return timedelta(**{{"h": "hours", "d": "days"}[found[2]]: int(found[1])})


def list_keys(context: typer.Context, json: Json = False) -> None:
    """List the tenant's API keys, without their secrets."""
    state = state_of(context)
    with _administration(state) as doing:
        found = doing.keys.list()
    if json:
        for key in found:
            state.emit(key)
        return
    rows = [
        [
            cell(key.prefix),
            cell(key.name, most=40),
            cell(", ".join(key.scopes)),
            cell(moment(key.created_at)),
            cell(moment(key.last_used_at)),
            cell(f"revoked {moment(key.revoked_at)}" if key.revoked_at else moment(key.expires_at)),
        ]
        for key in found
    ]
    columns(state.out, rows, grid("prefix", "name", "may", "created", "last used", "ends"))


def revoke_key(
    context: typer.Context,
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="The part after `gwk_`.")],
) -> None:
    """Take an API key out of force, within five seconds everywhere."""
    state = state_of(context)
    with _administration(state) as doing:
        doing.keys.revoke(prefix)
    state.say(f"key {prefix} is revoked")


def create_admin(
    context: typer.Context,
    name: AccountName,
    password_file: PasswordFile = "",
    first: Annotated[bool, typer.Option("--first", help="Only where the tenant has no account yet.")] = False,
) -> None:
    """Create an account of the tenant that may read, triage and administer."""
    if first:
        _first_admin(state_of(context), name, password_file)
        return
    _with_password(
        context,
        password_file,
        "the password:",
        lambda doing, password: doing.accounts.create_account(name, password, ADMIN),
    )


def _first_admin(state: State, name: str, file: str) -> None:
    given = _read(file) if file else None
    with _administration(state) as doing:
        made = doing.accounts.first_account(name, state.settings.tenant, given)
    if made is None:
        state.say(f"{state.settings.tenant} has an account already")
        return
    state.say(f"the account {made[0]} was made{'' if file else '; its password:'}")
    if not file:
        state.out.file.write(f"{made[1]}\n")


def reset_password(context: typer.Context, name: AccountName, password_file: PasswordFile = "") -> None:
    """Give an account another password and end its sessions."""
    _with_password(
        context,
        password_file,
        "the sessions of the account have ended; the new password:",
        lambda doing, password: doing.accounts.reset_password(name, password),
    )


def _with_password(
    context: typer.Context, file: str, said: str, work: Callable[[Administration, str], None]
) -> None:
    """Do something with a password; one that was made up is printed, once."""
    state, password = state_of(context), _read(file) if file else generated_password()
    with _administration(state) as doing:
        work(doing, password)
    if not file:
        state.say(said)
        state.out.file.write(f"{password}\n")


def _read(file: str) -> str:
    try:
        text = sys.stdin.readline() if file == "-" else Path(file).read_text("utf-8")
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: {getattr(error, 'strerror', None) or 'no text'}") from None
    return text.partition("\n")[0].removesuffix("\r")
