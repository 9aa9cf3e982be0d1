"""A child of the supervisor: one command of ours in a process of its own, which ends when its parent does."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from time import monotonic
from typing import IO

from gatewatch.core.backoff import backoff

#: Seconds before a child that died is started again: doubled with each death, and forgotten after a quiet while.
FIRST_BACKOFF = 0.5
MOST_BACKOFF = 30.0
QUIET = 60.0


class Child:
    """`gatewatch <arguments>`, started again whenever it ends.

    Its standard input is a pipe that only we hold: however we end, it reads the end of it and leaves. It runs in a
    session of its own, so that Ctrl-C reaches us alone and we end things in order.
    """

    def __init__(self, name: str, arguments: list[str]) -> None:
        self.name = name
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths = 0
        self._started = 0.0
        self._due = 0.0

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process is not None else None

    def start(self, environment: Mapping[str, str], output: IO[bytes] | None) -> None:
        """Start it; `output` takes what it says (None: our standard error)."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gatewatch", *self._arguments, "--with-parent"],
            stdin=subprocess.PIPE,
            stdout=output or sys.stderr,
            stderr=output or sys.stderr,
            env=dict(environment),
            start_new_session=True,
        )
        self._started = monotonic()

    def death(self) -> str:
        """How it ended, once, if it did; "" while it runs or waits for its next start."""
        code = self._process.poll() if self._process is not None else None
        if code is None:
            return ""
        self._forget()
        if monotonic() - self._started > QUIET:
            self._deaths = 0
        wait = backoff(FIRST_BACKOFF, self._deaths, MOST_BACKOFF)
        self._deaths += 1
        self._due = monotonic() + wait
        return f"{self.name} {_ended(code)}; it is started again in {wait:g} s"

    @property
    def due(self) -> bool:
        """Whether it is time to start it."""
        return self._process is None and monotonic() >= self._due

    def tell_to_end(self) -> None:
        """Ask it to finish what it is doing and leave."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            if self._process.stdin is not None:
                self._process.stdin.close()

    def wait(self, seconds: float) -> None:
        """Wait until it has ended; after `seconds` it is killed."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _forget(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
