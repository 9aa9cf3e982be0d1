"""Signals: what asks a process to stop."""

import os
import signal
from threading import Event, Thread
from time import sleep
from types import FrameType

#: How long a process whose parent died may take to finish, in seconds.
ORPHAN_SECONDS = 10.0
_STDIN = 0


def on_signals() -> Event:
    """An event that Ctrl-C, SIGTERM and a closed terminal set."""
    stop = Event()

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handle)
    return stop


def by_interrupt() -> None:
    """Let SIGTERM and a closed terminal end a command as Ctrl-C does, by `KeyboardInterrupt`: all is tidied up."""

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handle)


def with_parent(stop: Event) -> None:
    """Stop when standard input ends: our parent holds the other end and is gone, by whatever means."""

    def watch() -> None:
        # Not through sys.stdin: a thread that waits in it would hold its lock when the interpreter ends.
        while os.read(_STDIN, 1_024):
            pass
        stop.set()
        sleep(ORPHAN_SECONDS)
        os._exit(1)

    Thread(target=watch, daemon=True).start()
