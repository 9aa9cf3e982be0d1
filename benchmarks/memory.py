"""The peak memory of everything a large import runs: the importer itself, its detector, its notifier."""

import json
import os
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

from benchmarks.figures import BenchmarkError
from benchmarks.progress import Progress

#: Our own processes, by the word they are started with.
ROLES = {"import": "importer", "detector": "detector", "notifier": "notifier"}
#: An import that is slower than this has stopped.
_LEAST_RATE = 200
_LOOK = 0.1


def peaks(folder: Path, file: Path, geo: Path, events: int, progress: Progress) -> dict[str, float]:
    """Import a file with the command line as anybody would; the peak resident MB of each of `ROLES`."""
    environment = os.environ | {
        "GATEWATCH_DATA_DIR": str(folder),
        "GATEWATCH_GEO_CITY": str(geo),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    environment.pop("DATABASE_URL", None)
    command = [sys.executable, "-m", "gatewatch", "import", str(file), "--source", "native", "--json"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        found = _watch(process, monotonic() + 60 + events / _LEAST_RATE, progress)
    finally:
        process.terminate()
        process.wait()
    said = process.stdout.read() if process.stdout is not None else ""
    _check(said, process.returncode, events)
    missing = ROLES.values() - found.keys()
    if missing:
        raise BenchmarkError(f"not seen running: {', '.join(sorted(missing))}")
    return {role: kilobytes / 1024 for role, kilobytes in found.items()}


def _watch(process: subprocess.Popen[str], until: float, progress: Progress) -> dict[str, int]:
    found: dict[str, int] = {}
    began = monotonic()
    while process.poll() is None:
        if monotonic() > until:
            raise BenchmarkError("the import did not end in time")
        _look(process.pid, found)
        progress.moved("importing, seconds", round(monotonic() - began), round(until - began))
        sleep(_LOOK)
    return found


def _look(root: int, found: dict[str, int]) -> None:
    for pid in (root, *_children(root)):
        role, peak = role_of(_words(pid)), _peak(pid)
        if role:
            found[role] = max(found.get(role, 0), peak)


def role_of(words: list[str]) -> str:
    """Which of `ROLES` a command line is ("" for none).

    >>> role_of(["python", "-m", "gatewatch", "detector", "--with-parent"]), role_of(["postgres"])
    ('detector', '')
    """
    if "gatewatch" not in words:
        return ""
    return next((ROLES[word] for word in words if word in ROLES), "")


def _children(root: int) -> list[int]:
    tasks = Path(f"/proc/{root}/task")
    found: list[int] = []
    try:
        for task in tasks.iterdir():
            found += map(int, (task / "children").read_text("ascii").split())
    except OSError:
        return found
    return found


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _peak(pid: int) -> int:
    """The peak resident set of a process so far, in kB; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except OSError:
        return 0
    return peak_of(lines)


def peak_of(lines: list[str]) -> int:
    """The kB of the line `VmHWM` of a process's status; 0 without one.

    >>> peak_of(["Name: python", "VmHWM:     2048 kB"])
    2048
    """
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def _check(said: str, code: int | None, events: int) -> None:
    if code != 0:
        raise BenchmarkError(f"the import ended with exit code {code}")
    stored = json.loads(said).get("stored")
    if stored != events:
        raise BenchmarkError(f"of {events} events the import stored {stored}")
