"""As whom the server runs: as ourselves, or, since PostgreSQL refuses root, without root's powers."""

from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gatewatch.adapters.postgres.embedded.binaries import PostgresBinaries
from gatewatch.adapters.postgres.embedded.errors import ServerError

Mode = Literal["self", "userns", "nobody"]

#: How root gives up its powers, the better way first: in a user namespace the files stay root's own.
ROOT_MODES: tuple[Mode, ...] = ("userns", "nobody")

#: Where `nobody` finds what it cannot reach where it was asked for (a checkout in /root, say).
REACHABLE = Path("/var/lib/gatewatch")

SCRIPT = Path(__file__).with_name("unprivileged.py")


@dataclass(frozen=True)
class Account:
    """Who runs the server: the way there, the ids it has, and the owner its files need as seen from outside."""

    mode: Mode
    uid: int
    gid: int

    @property
    def owner(self) -> tuple[int, int]:
        """The user and group that must own the cluster's files."""
        return (self.uid, self.gid) if self.mode == "nobody" else (os.geteuid(), os.getegid())

    def command(self, program: str, *args: str) -> list[str]:
        """Give the command line that runs a program, named by its absolute path, as this account."""
        return [program, *args] if self.mode == "self" else self._script("run", program, *args)

    def reaches(self, folder: Path, programs: Sequence[str]) -> bool:
        """Tell whether the account can be had, can open what lies in a folder, and can run programs."""
        if self.mode == "self":
            return True
        command = self._script("reach", str(folder), *programs)
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def _script(self, *args: str) -> list[str]:
        return [sys.executable, "-I", "-S", str(SCRIPT), self.mode, str(self.uid), str(self.gid), *args]


@dataclass(frozen=True)
class Lodging:
    """An account with the folder for the cluster and the binaries that it can reach."""

    account: Account
    folder: Path
    binaries: PostgresBinaries


def lodge(
    folder: Path,
    binaries: PostgresBinaries,
    root_modes: Sequence[Mode] = ROOT_MODES,
    elsewhere: Path = REACHABLE,
) -> Lodging:
    """Choose the account, and for `nobody` a place and a copy of the binaries where it cannot reach what we gave.

    Raises `ServerError` where we are root and no way leads out of it.
    """
    if os.geteuid() != 0:
        return Lodging(Account("self", os.geteuid(), os.getegid()), folder, binaries)
    programs = [binaries.path("initdb"), binaries.path("postgres")]
    for mode in root_modes:
        account = unprivileged(mode)
        open_to(account, folder)
        if account.reaches(folder, programs):
            return Lodging(account, folder, binaries)
    if "nobody" not in root_modes:
        raise ServerError(
            "PostgreSQL refuses to run as root, and this system does not let us make a user namespace"
        )
    return relocated(unprivileged("nobody"), folder, binaries, elsewhere)


def unprivileged(mode: Mode) -> Account:
    """Give the account of a mode; its ids are those of `nobody`, which every system knows."""
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise ServerError(
            "PostgreSQL refuses to run as root, and there is no user `nobody` to run it as"
        ) from None
    return Account(mode, nobody.pw_uid, nobody.pw_gid)


def open_to(account: Account, folder: Path) -> None:
    """Make a folder in which an account can open what is its own; the folder itself stays ours."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711 if account.mode == "nobody" else 0o700)


def relocated(account: Account, folder: Path, binaries: PostgresBinaries, elsewhere: Path) -> Lodging:
    """Move in at a place the account reaches; its name hangs on the folder's, so the next start finds it."""
    elsewhere.mkdir(parents=True, exist_ok=True, mode=0o755)
    place = elsewhere / hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    open_to(account, place)
    if not account.reaches(place, [binaries.path("initdb"), binaries.path("postgres")]):
        binaries = binaries.copied_to(elsewhere)
    if not account.reaches(place, [binaries.path("initdb"), binaries.path("postgres")]):
        raise ServerError(
            f"PostgreSQL refuses to run as root, and user `nobody` can reach neither {folder} nor {place}"
        )
    return Lodging(account, place, binaries)
