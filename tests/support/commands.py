"""`gatewatch` as its users run it: real processes over a data folder, awaited by what they do, never by sleeping."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from gatewatch.adapters.postgres.server import EmbeddedPostgres
from tests.support.servers import ROOT, alive

#: How long anything may take on a machine with other things to do (s).
PATIENCE = 120.0


class Commands:
    """Runs commands over one data folder."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GATEWATCH_") and k != "DATABASE_URL"}
        self.environment = {
            **kept,
            "PYTHONPATH": str(ROOT / "src"),
            "GATEWATCH_DATA_DIR": str(data_dir),
            "GATEWATCH_API_PORT": "0",  # whoever else runs here keeps the usual one
            "NO_COLOR": "1",
            **environment,
        }

    def run(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        done = subprocess.run(
            command(arguments),
            input=stdin,
            capture_output=True,
            env=self.environment,
            timeout=PATIENCE,
            check=False,
        )
        return subprocess.CompletedProcess(
            arguments, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def json(self, *arguments: str, stdin: bytes = b"") -> list[Any]:
        """Run a command that must succeed and return the JSON values it prints."""
        done = self.run(*arguments, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    @contextmanager
    def running(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> Iterator[Process]:
        """Run a command for as long as it is looked at; what it says goes to a file."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        path = self.data_dir / f"{arguments[0]}-{time.monotonic_ns()}.out"
        with path.open("wb") as file:
            process = subprocess.Popen(
                command(arguments), stdin=stdin, stdout=file, stderr=file, env=self.environment
            )
        try:
            yield Process(process, path)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    @property
    def server(self) -> EmbeddedPostgres:
        """The embedded server of the data folder."""
        return EmbeddedPostgres(self.data_dir)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the running embedded server as the services do."""
        with psycopg.connect(self.server.conninfo, autocommit=True) as connection:
            connection.execute("SET ROLE gatewatch_worker")
            return connection.execute(query.encode()).fetchall()


class Process:
    """A command that runs."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process, self._output = process, output

    @property
    def said(self) -> str:
        """What it has said so far, to either stream."""
        return self._output.read_text(errors="replace")

    def says(self, text: str) -> None:
        """Wait until it has said something."""
        until(lambda: text in self.said or self.process.poll() is not None, f"{text!r} from:\n{self.said}")
        assert text in self.said, self.said

    def ends(self, number: signal.Signals | None = None) -> int:
        """Send it a signal, if any, and wait for its exit code."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def children(self, name: str = "") -> list[int]:
        """The processes it started whose command line holds a name."""
        return [pid for pid in children_of(self.process.pid) if name in command_line(pid)]


def command(arguments: Sequence[str]) -> list[str]:
    """The command line of a command."""
    return [sys.executable, "-m", "gatewatch", *arguments]


def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Poll until a condition holds; fail with `what` was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)  # polls, with the deadline above


def gone(pids: Sequence[int]) -> bool:
    """Whether none of these processes lives (a zombie does not)."""
    return not any(alive(pid) and not zombie(pid) for pid in pids)


def zombie(pid: int) -> bool:
    """Whether a process has ended and waits for its parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def children_of(pid: int) -> list[int]:
    """The processes whose parent a process is."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def command_line(pid: int) -> str:
    """A process's command line."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
