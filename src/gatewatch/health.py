"""Whether a process works, for whoever looks after it: `python -m gatewatch.health SERVICE`.

Exit code 0 if it does, else 1 with the reason in one line. Imports next to nothing: a container is asked every few
seconds. An API process is asked over HTTP; the others have no port and touch a file instead.
"""

import http.client
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gatewatch import settings as configuration
from gatewatch.settings import Settings, SettingsError

#: How often the file is touched at most, and after how long without that its process is taken for stuck, in seconds:
#: longer than any statement of PostgreSQL's may take.
GRAIN = 1.0
STUCK = 90.0
#: How long an API process may take to answer, in seconds.
PATIENCE = 5.0
WORKING, WAITING = "working\n", "waiting\n"


class Heartbeat:
    """Touches a file while its process works or waits, and says in it which. Without a path it does nothing."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._said, self._next = "", 0.0

    def beat(self, *, working: bool = True) -> None:
        """The process is alive; it is `working`, or waits for something that is away. Costs nothing most times."""
        now, says = time.monotonic(), WORKING if working else WAITING
        if self._path is None or (now < self._next and says == self._said):
            return
        self._next = now + GRAIN
        if says != self._said or not self._path.exists():
            self._path.write_text(says, "utf-8")
            self._said = says
        os.utime(self._path)


class Unwell(Exception):
    """The process does not do its work; the message says why."""


def answers(settings: Settings, path: str) -> None:
    """Ask the API process of this machine. Raises `Unwell`."""
    asked = http.client.HTTPConnection(_own_address(settings.api_host), settings.api_port, timeout=PATIENCE)
    try:
        asked.request("GET", settings.base_path + path, headers={"Host": "localhost"})
        status = asked.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise Unwell(f"the API does not answer: {str(error) or type(error).__name__}") from None
    finally:
        asked.close()
    if status != http.client.OK:
        raise Unwell(f"{path} answers {status}")


def _own_address(host: str) -> str:
    """Where a process that listens on `host` is reached from its own machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def beats(settings: Settings, *, waiting_is_well: bool) -> None:
    """Look at the heartbeat. Raises `Unwell`."""
    if not settings.heartbeat:
        raise Unwell("GATEWATCH_HEARTBEAT names no file")
    path = Path(settings.heartbeat)
    try:
        age, says = time.time() - path.stat().st_mtime, path.read_text("utf-8")
    except OSError as error:
        raise Unwell(f"no heartbeat: {path}: {error.strerror}") from None
    if age > STUCK:
        raise Unwell(f"the last heartbeat was {age:.0f} s ago")
    if says != WORKING and not waiting_is_well:
        raise Unwell("it waits for the database or the log")


#: The services that touch a file.
BEATING = ("detector", "notifier", "connector", "simulator")
#: What is looked at, by the service's name: whether it does its work, and (`-live`) whether it is alive at all, which a
#: process that waits for its database is.
CHECKS: dict[str, Callable[[Settings], None]] = {
    "api": lambda settings: answers(settings, "/readyz"),
    "api-live": lambda settings: answers(settings, "/healthz"),
    **dict.fromkeys(BEATING, lambda settings: beats(settings, waiting_is_well=False)),
    **dict.fromkeys(
        [f"{name}-live" for name in BEATING], lambda settings: beats(settings, waiting_is_well=True)
    ),
}


def main(arguments: list[str]) -> int:
    """Check a service; returns the exit code."""
    check = CHECKS.get(arguments[0]) if len(arguments) == 1 else None
    if check is None:
        sys.stderr.write(f"usage: python -m gatewatch.health {'|'.join(CHECKS)}\n")
        return 2
    try:
        check(configuration.current())
    except (Unwell, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
