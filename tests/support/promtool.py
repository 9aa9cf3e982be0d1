"""promtool, which knows Prometheus's configuration and rules: the machine's own, else Debian's, unpacked beside us."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

#: The longest that a package list or a package may take, in seconds.
PATIENCE = 120


class Unavailable(Exception):
    """promtool cannot be had here; the message says why."""


class Check(Protocol):
    """Runs promtool in a folder; it must succeed."""

    def __call__(self, folder: Path, *words: str) -> str:
        """What it said."""
        ...


def check(tool: Path) -> Check:
    """What runs this promtool."""

    def run(folder: Path, *words: str) -> str:
        done = subprocess.run([tool, *words], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def find(cache: Path) -> Path:
    """Give promtool; what is fetched stays in `cache`, nothing is installed. Raises `Unavailable`."""
    if own := shutil.which("promtool"):
        return Path(own)
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:  # of several processes that run tests one fetches
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = cache / "promtool"
        if not kept.exists():
            fetch(cache)
        return kept


def fetch(cache: Path) -> None:
    """Take promtool out of Debian's package, whole or not at all."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise Unavailable("no promtool on PATH, and no apt-get to fetch Debian's package `prometheus` with")
    package = _download(cache)
    fresh = cache / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    _run(["dpkg-deb", "--extract", str(package), str(fresh)], cache)
    (fresh / "usr" / "bin" / "promtool").rename(cache / "promtool")
    shutil.rmtree(fresh)
    package.unlink()


def _download(cache: Path) -> Path:
    """Debian's package; where its lists are missing or old they are read first, which only root may."""
    download = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", "prometheus"]
    try:
        _run(download, cache)
    except Unavailable:
        if os.geteuid():
            raise
        _run(["apt-get", "update", "-qq"], cache)
        _run(download, cache)
    return next(cache.glob("prometheus_*.deb"))


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"`{command[0]} {command[1]}` took too long") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise Unavailable(f"`{command[0]} {command[1]}` failed: {said[-1]}")
