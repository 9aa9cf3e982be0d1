"""The children of a run: started, killed, stopped, restarted, and reaped at the end whatever happens."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.faults.actors import Config

ROOT = Path(__file__).resolve().parents[2]
#: Whose work has an end.
SENDERS = ("producer", "application")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """One process of the system; `stopped_until` is set while a SIGSTOP holds it. `more` is told to its `module`."""

    def __init__(
        self,
        role: str,
        name: str,
        config: Path,
        folder: Path,
        *,
        module: str = "tests.faults.actors",
        more: Sequence[str] = (),
    ) -> None:
        self.role, self.name = role, name
        self.log = folder / f"{name}.log"
        self._command = [sys.executable, "-m", module, role, name, str(config), *more]
        self._process: subprocess.Popen[bytes] | None = None
        self.stopped_until = 0.0
        self.killed = self.retired = False
        self.restart_at = 0.0

    def start(self) -> None:
        """Start it, as a process that dies with us."""
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=environment, cwd=ROOT, preexec_fn=_die_with_parent
            )
        self.killed, self.stopped_until = False, 0.0

    @property
    def pid(self) -> int:
        """The process id; 0 before it was started."""
        return self._process.pid if self._process is not None else 0

    def ended(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.poll() if self._process is not None else None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kill -9, on purpose."""
        self.killed = True
        self.send(signal.SIGKILL)

    def retire(self) -> None:
        """Kill -9, for good."""
        self.retired = True
        self.kill()

    def stop(self, until: float) -> None:
        """SIGSTOP; `Children.tend` continues it."""
        self.send(signal.SIGSTOP)
        self.stopped_until = until

    def resume(self) -> None:
        """SIGCONT."""
        self.send(signal.SIGCONT)
        self.stopped_until = 0.0

    def wait(self, seconds: float) -> int:
        """Wait for its end, and make it end after `seconds`; the exit code."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def last_words(self) -> str:
        """The end of its log."""
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-25:])


class Children:
    """All processes of a run."""

    def __init__(self, config: Config, roles: dict[str, str]) -> None:
        folder = Path(config.folder)
        self._config = folder / "config.json"
        self.tell(config)
        self.all = {name: Child(role, name, self._config, folder) for name, role in roles.items()}
        self.deaths: list[str] = []

    def tell(self, config: Config) -> None:
        """Tell those who start from now on something else."""
        self._config.write_bytes(msgspec.json.encode(config))

    def start(self, role: str = "") -> None:
        """Start all of a role; all others that do not run yet."""
        for child in self.all.values():
            if role in ("", child.role) and not child.pid:
                child.start()

    def of(self, role: str) -> list[Child]:
        """Those of a role that run and are not stopped."""
        return [c for c in self.all.values() if c.role == role and c.ended() is None and not c.stopped_until]

    def is_done(self, *roles: str) -> bool:
        """Whether all of these roles have no more to do."""
        return all(child.ended() == 0 for child in self.all.values() if child.role in roles)

    def tend(self) -> None:
        """Continue what was stopped long enough, start again what was killed, note what died by itself."""
        now = time.monotonic()
        for child in self.all.values():
            if child.stopped_until and now >= child.stopped_until:
                child.resume()
            code = child.ended()
            if code is None or child.retired or (child.role in SENDERS and code == 0):
                continue
            if not child.restart_at:
                child.restart_at = now + 0.3
                if not child.killed:
                    self.deaths.append(f"{child.name} ended with {code}:\n{child.last_words()}")
            elif now >= child.restart_at:
                child.restart_at = 0.0
                child.start()

    def kill(self) -> None:
        """Kill all that run, those as well that are stopped."""
        for child in self.all.values():
            if child.ended() is None:
                child.kill()

    def resume(self) -> None:
        """Let everything run."""
        for child in self.all.values():
            if child.stopped_until:
                child.resume()

    def finish(self) -> None:
        """Ask all to end; those that do not are killed. Everything is reaped."""
        self.resume()
        for child in self.all.values():
            with contextlib.suppress(ProcessLookupError):
                child.send(signal.SIGTERM)
        for child in self.all.values():
            child.wait(10.0)
