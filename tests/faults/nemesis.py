"""What goes wrong, and when: a plan made from a seed, and the hand that carries it out."""

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import psycopg

from tests.faults.processes import Child, Children
from tests.faults.system import System

#: "stop" is in mid-statement, where a process holds locks; "pause" is between statements, where it becomes a zombie
#: that commits what it made long ago.
What = Literal["kill", "stop", "pause", "terminate", "crash"]

#: How long a stopped process stays stopped (s): longer than the lease, and than a claim waits for a row.
STOPPED = (3.2, 4.5)
#: How long the hand tries to catch a process in mid-statement (s).
CATCH = 2.0


#: The role of all processes, killed at once.
EVERYTHING = "everything"


class Fault(NamedTuple):
    """One thing that goes wrong `at` seconds after the start; `role` is who it hits ("" for backends and servers)."""

    at: float
    what: What
    role: str = ""


class Amounts(NamedTuple):
    """How much of each goes wrong."""

    kills: int
    stops: int
    pauses: int
    terminations: int
    crashes: int


FULL = Amounts(kills=28, stops=9, pauses=9, terminations=36, crashes=3)
SHORT = Amounts(kills=6, stops=3, pauses=3, terminations=10, crashes=1)

_KILLED = ("detector", "api", "producer", "detector", "application", "notifier", EVERYTHING)
_STOPPED = ("detector", "api", "producer")
_PAUSED = ("detector", "api", "detector")


def plan(rng: random.Random, seconds: float, amounts: Amounts) -> list[Fault]:
    """All faults by time, spread over the run; every kind, every role."""
    faults = _spread(rng, seconds, "kill", [_KILLED[i % len(_KILLED)] for i in range(amounts.kills)])
    faults += _spread(rng, seconds, "stop", [_STOPPED[i % len(_STOPPED)] for i in range(amounts.stops)])
    faults += _spread(rng, seconds, "pause", [_PAUSED[i % len(_PAUSED)] for i in range(amounts.pauses)])
    faults += _spread(rng, seconds, "terminate", [""] * amounts.terminations)
    faults += _spread(rng, seconds, "crash", [""] * amounts.crashes)
    return sorted(faults)


def _spread(rng: random.Random, seconds: float, what: What, roles: list[str]) -> list[Fault]:
    step = 0.9 * seconds / max(1, len(roles))
    return [
        Fault(0.04 * seconds + (i + rng.uniform(0.1, 0.9)) * step, what, role) for i, role in enumerate(roles)
    ]


class Nemesis:
    """Carries a plan out; `done` counts what really happened, by what the log of the run calls it."""

    def __init__(self, faults: list[Fault], system: System, children: Children, rng: random.Random) -> None:
        self._faults, self._system, self._children, self._rng = faults, system, children, rng
        self.done: Counter[str] = Counter()

    @property
    def finished(self) -> bool:
        """Whether nothing more is planned."""
        return not self._faults

    def turn(self, elapsed: float) -> None:
        """Do what is due. What finds nobody to hit just now is tried again in the next turn."""
        if self._faults and self._faults[0].at <= elapsed:
            fault = self._faults[0]
            try:
                happened = self._do(fault)
            except psycopg.OperationalError:
                happened = ""  # the server is on its way up
            if happened:
                self._faults.pop(0)
                self.done[happened] += 1

    def _do(self, fault: Fault) -> str:
        match fault.what:
            case "terminate":
                return self._terminate()
            case "crash":
                self._system.server.crash()
                self._system.server.start()
                return "crash of PostgreSQL"
        if fault.role == EVERYTHING:
            self._children.kill()
            return "kill -9 of everything at once"
        found = self._children.of(fault.role)
        if not found:
            return f"{fault.role} was done" if self._children.is_done(fault.role) else ""
        child = self._rng.choice(found)
        if fault.what == "kill":
            child.kill()
            return f"kill -9 of a {fault.role}"
        return self._stop(child, self._in_statement if fault.what == "stop" else self._in_code)

    def _terminate(self) -> str:
        rows = self._system.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gatewatch'"
            " AND datname = current_database() ORDER BY random() LIMIT 1"
        )
        return "backend ended" if rows else ""

    def _stop(self, child: Child, caught: Callable[[Child, str], str]) -> str:
        """Stop a process where it is to be caught, or anywhere if it cannot be caught there."""
        until = time.monotonic() + CATCH
        while True:
            now, running = time.monotonic(), state_of(child.pid)
            child.stop(now + self._rng.uniform(*STOPPED))
            if where := caught(child, running):
                return f"SIGSTOP of a {child.role} {where}"
            if now > until:
                return f"SIGSTOP of a {child.role}"
            child.resume()
            time.sleep(self._rng.uniform(0.002, 0.02))  # runs on for a random moment, to be caught elsewhere

    def _in_statement(self, child: Child, _: str) -> str:
        """Whether a stopped process is in a statement; a detector must be so for good, with its locks."""
        caught = self._is_busy(child)
        if caught and child.role == "detector":
            time.sleep(0.03)  # a statement that ends by itself meanwhile held nothing
            caught = self._is_busy(child)
        return "in mid-statement" if caught else ""

    def _in_code(self, child: Child, running: str) -> str:
        """Whether a stopped process was computing: most likely a batch that it has read and not stored yet."""
        return "in mid-batch" if running == "R" and not self._is_busy(child) else ""

    def _is_busy(self, child: Child) -> bool:
        ports = list(ports_of(child.pid))
        rows = self._system.rows(
            "SELECT FROM pg_stat_activity WHERE client_port = ANY(%s) AND state <> 'idle'", (ports,)
        )
        return bool(rows)


def state_of(pid: int) -> str:
    """What a process does: R where it computes, S where it waits."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except OSError:
        return ""


def ports_of(pid: int) -> set[int]:
    """The local TCP ports of a process."""
    try:
        links = [str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()]
        lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    except OSError:
        return set()
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    return {int(f[1].split(":")[1], 16) for line in lines if (f := line.split())[9] in inodes}
