"""Sending to the HTTP API of a Gatewatch elsewhere: the address, the key, and what became of it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Annotated
from uuid import uuid4

import typer

from gatewatch.bootstrap import BadAddress, HttpEvents
from gatewatch.cli.errors import UserError
from gatewatch.cli.progress import progress_for
from gatewatch.cli.state import State
from gatewatch.ports import Unavailable
from gatewatch.services.sending import Rejected, Sender, Sent

KeyFile = Annotated[
    str,
    typer.Option(help="A file whose first line is the API key (else GATEWATCH_KEY).", show_default=False),
]


def is_address(text: str) -> bool:
    """Whether a text is meant as an address of HTTP."""
    return text.startswith(("http://", "https://"))


@contextlib.contextmanager
def sending(state: State, option: str, address: str, key_file: str) -> Iterator[Sender]:
    """Send to an address, then say what became of it, also of what was sent before it ended early."""
    with endpoint_at(state, option, address, key_file) as endpoint, progress_for(state.err) as progress:
        sender = Sender(endpoint, uuid4().hex, progress, sleep)
        try:
            yield sender
        except Rejected as error:
            raise UserError(f"{address}: {error}") from None
        except Unavailable as error:
            raise UserError(str(error)) from None
        finally:
            for line in describe(sender.account):
                state.out.print(line, markup=False, highlight=False, soft_wrap=True)


def endpoint_at(state: State, option: str, address: str, key_file: str) -> HttpEvents:
    """The endpoint of an address, with the key to it. Raises `UserError`."""
    key = _key(state, key_file)
    try:
        return HttpEvents(address, key)
    except BadAddress as error:
        raise UserError(f"{option}: {error}") from None


def _key(state: State, key_file: str) -> str:
    """The API key, never from the command line."""
    if not key_file:
        if not state.settings.key:
            raise UserError("an API key is needed: GATEWATCH_KEY or --key-file (`gatewatch keys create`)")
        return state.settings.key
    try:
        lines = Path(key_file).read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"--key-file: {getattr(error, 'strerror', None) or 'it cannot be read'}") from None
    if not lines or not lines[0].strip():
        raise UserError("--key-file: its first line is empty")
    return lines[0].strip()


def describe(account: Sent) -> Iterator[str]:
    """What became of the events, in lines."""
    rejected = account.rejected.total()
    yield (
        f"{account.sent:,} events sent: {account.accepted:,} accepted, {account.duplicates:,} duplicates,"
        f" {rejected:,} rejected{_reasons(account.rejected)}"
    )
    if account.unreadable:
        yield f"{account.unreadable.total():,} not sent, since they are no events{_reasons(account.unreadable)}"


def _reasons(counts: dict[str, int]) -> str:
    return f" ({', '.join(f'{reason} {n:,}' for reason, n in sorted(counts.items()))})" if counts else ""
