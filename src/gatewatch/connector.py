"""The connector: a long-running process that brings vendors' topics to the log."""

from threading import Event
from time import monotonic

from gatewatch import logs, metrics
from gatewatch.bootstrap import Connected
from gatewatch.core.backoff import backoff
from gatewatch.health import Heartbeat
from gatewatch.ports import Unavailable

#: How often it looks how far it is behind, and the longest wait between attempts, in seconds.
LOOK_EVERY = 5.0
MOST_BACKOFF = 2.0


class Connector:
    """Brings what comes, in the order in which it comes; while the log or the vendor's brokers are away it waits."""

    def __init__(self, parts: Connected, stop: Event, heartbeat: str = "") -> None:
        self._work, self._topics, self._reset = parts
        self._stop, self._heartbeat = stop, Heartbeat(heartbeat)
        self._next_look = 0.0
        self._log = logs.get()

    def run(self) -> None:
        """Work until told to stop; then tell the group what is done, and leave it."""
        failures = 0
        try:
            while not self._stop.is_set():
                try:
                    self._work.turn()
                    self._look()
                except Unavailable as error:
                    failures += 1
                    self._wait(failures, error)
                    continue
                if failures:
                    self._log.info("the connector goes on", attempts=failures)
                failures = 0
                self._tell(working=True)
        finally:
            self._topics.close()
            self._reset()

    def _wait(self, failures: int, error: Unavailable) -> None:
        if failures == 1:
            self._log.warning("the connector waits", reason=str(error))
        self._tell(working=False)
        self._topics.keep()
        self._look()
        self._stop.wait(backoff(0.05, failures, MOST_BACKOFF))

    def _tell(self, *, working: bool) -> None:
        self._heartbeat.beat(working=working)
        metrics.CONNECTOR_WAITING.set(not working)

    def _look(self) -> None:
        if monotonic() >= self._next_look:
            metrics.CONNECTOR_LAG.replace(self._topics.lag())
            # From its end on: where brokers are slow it takes long, and messages come first.
            self._next_look = monotonic() + LOOK_EVERY
