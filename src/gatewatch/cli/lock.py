"""One supervisor per data folder: a lock that the system takes back however its holder ends, and what it says."""

import fcntl
import os
from pathlib import Path
from time import sleep

import msgspec

#: A reader holds the lock for an instant; a supervisor looks this often before it believes that another one has it.
TRIES = 5


class Standing(msgspec.Struct, frozen=True):
    """Who supervises: its process id, the command it runs, and since when (ISO 8601)."""

    pid: int = 0
    command: str = ""
    since: str = ""


class SupervisorLock:
    """The lock of a data folder; the file says who holds it."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "supervisor.json"
        self._file: int | None = None

    def take(self, standing: Standing) -> bool:
        """Take the lock; False where another process has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not any(_locked(file) for _ in range(TRIES)):
            os.close(file)
            return False
        os.truncate(file, 0)
        os.pwrite(file, msgspec.json.encode(standing), 0)
        self._file = file
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            os.truncate(self._file, 0)
            os.close(self._file)
            self._file = None

    def holder(self) -> Standing | None:
        """Who has the lock, None where nobody does."""
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(file)
        finally:
            os.close(file)
        return None


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sleep(0.02)
        return False
    return True


def _read(file: int) -> Standing:
    try:
        return msgspec.json.decode(os.pread(file, 4_096, 0), type=Standing)
    except msgspec.DecodeError:
        return Standing()
