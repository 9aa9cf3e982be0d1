"""How people get in for the first time: where the API listens, and the first account with its password."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from time import monotonic, sleep

from gatewatch import bootstrap
from gatewatch.cli.errors import UserError
from gatewatch.cli.state import State

#: How long a port may still be held by a process that is about to end, in seconds.
PATIENCE = 5.0
#: What the first account is called.
ADMIN = "admin"


def free_port(host: str, port: int) -> int:
    """The port, which nobody listens on, or, for 0, one such. Raises `UserError`."""
    deadline = monotonic() + PATIENCE
    while True:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.create_server((host, port), family=family) as found:
                return int(found.getsockname()[1])
        except OSError as error:
            if monotonic() > deadline:
                why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
                raise UserError(f"cannot listen on {host}:{port}: {why} (GATEWATCH_API_PORT)") from None
            sleep(0.1)


def welcome(state: State, conninfo: str, url: str) -> None:
    """Say where the API is; where the tenant has no account yet, make the first and tell its password once."""
    doing, store = bootstrap.administration(conninfo, state.settings.tenant)
    try:
        made = doing.first_account(ADMIN, state.settings.tenant)
    finally:
        store.close()
    if made is None:
        state.say(f"the API is at {url}; a forgotten password: gatewatch admin reset-password NAME")
        return
    name, password = made
    if state.err.is_terminal:
        state.say(f"the API is at {url}; log in as {name} with the password {password} (not shown again)")
        return
    path = _kept(state.settings.data_path / "admin-password", password)
    state.say(f"the API is at {url}; log in as {name} with the password in {path}")


def _kept(path: Path, password: str) -> Path:
    """A password in a file that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{password}\n")
    return path
