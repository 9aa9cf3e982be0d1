"""A running server seen from outside: its pid file, its birth, its signals, its end."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gatewatch.adapters.postgres.embedded.binaries import ENVIRONMENT

POLL_SECONDS = 0.02

Standing = Literal["ours", "other", "gone"]


@dataclass(frozen=True)
class PidFile:
    """What postmaster.pid says: the postmaster, its port, and its status ("starting", "ready", "stopping" …)."""

    pid: int
    port: int
    status: str

    @classmethod
    def read(cls, cluster: Path) -> PidFile | None:
        """Read a cluster's pid file; None where there is none or it is half-written."""
        try:
            lines = (cluster / "postmaster.pid").read_text().splitlines()
            return cls(
                abs(int(lines[0])),
                int(lines[3]) if len(lines) > 3 else 0,
                lines[7].strip() if len(lines) > 7 else "starting",
            )
        except (FileNotFoundError, ValueError, IndexError):
            return None


def alive(pid: int) -> bool:
    """Tell whether a process of that number exists and has not ended; a zombie has."""
    try:
        os.kill(pid, 0)
        if not sys.platform.startswith("linux"):
            return True
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except PermissionError:
        return True
    except OSError:
        return False


def standing(pid: int, cluster: Path) -> Standing:
    """Tell what a pid file's process is: this cluster's postmaster, another program, or none any more.

    A postmaster works in its data folder, so this also holds after the folder was renamed. Where /proc is
    missing, any living process counts as ours.
    """
    reap(pid)
    try:
        if not alive(pid):
            return "gone"
        if not sys.platform.startswith("linux"):
            return "ours"
        return "ours" if Path(f"/proc/{pid}/cwd").samefile(cluster) else "other"
    except PermissionError:
        return "other"
    except OSError:
        return "gone"


def postmaster(cluster: Path) -> PidFile | None:
    """Give the pid file of a cluster whose postmaster is alive."""
    found = PidFile.read(cluster)
    return found if found and standing(found.pid, cluster) == "ours" else None


def forget_stranger(cluster: Path) -> None:
    """Remove a pid file whose number another program has by now; PostgreSQL itself would take it for a server.

    A pid file of no process at all is left to PostgreSQL, which also looks for backends that survived.
    """
    found = PidFile.read(cluster)
    if found and standing(found.pid, cluster) == "other":
        (cluster / "postmaster.pid").unlink(missing_ok=True)


def spawn(command: Sequence[str], log: Path) -> int:
    """Start a server in a session of its own, so that Ctrl-C in our terminal is not its business."""
    silent = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    logged = [
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(
        command[0],
        list(command),
        ENVIRONMENT,
        file_actions=[*silent, *logged],
        setsid=True,
        setsigmask=[],
        setsigdef=[
            signal.SIGINT,
            signal.SIGQUIT,
            signal.SIGTERM,
            signal.SIGHUP,
            signal.SIGPIPE,
            signal.SIGCHLD,
        ],
    )


def reap(pid: int) -> int | None:
    """Take the exit status of a child of ours that has ended; None if it has not, or is not ours."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if ended else None


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition; False if it did not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
