"""The long-running process that carries the outbox to the log, to Kafka and to whoever else listens."""

from threading import Event
from time import monotonic

from gatewatch import logs, metrics
from gatewatch.bootstrap import Relaying
from gatewatch.core.backoff import backoff
from gatewatch.health import Heartbeat
from gatewatch.ports import Unavailable
from gatewatch.services import counting

#: How often the log is kept in order, in seconds.
UPKEEP_EVERY = 5.0
#: How long it waits when there is nothing to relay, in seconds.
IDLE = 0.05
#: The longest wait between attempts while PostgreSQL is away, in seconds.
MOST_BACKOFF = 2.0


class Notifier:
    """Relays the outbox, and keeps the embedded log and the events' time partitions in order."""

    def __init__(self, parts: Relaying, stop: Event, heartbeat: str = "") -> None:
        self._relay, self._upkeep, self._pipeline, self._reset = parts
        self._stop, self._heartbeat = stop, Heartbeat(heartbeat)
        self._log = logs.get()

    def run(self) -> None:
        """Work until told to stop."""
        failures, next_upkeep = 0, 0.0
        while not self._stop.is_set():
            try:
                if due := monotonic() >= next_upkeep:
                    next_upkeep = monotonic() + UPKEEP_EVERY
                    counting.pipeline(self._pipeline)  # first: alerts hang on it while brokers are away
                relayed = self._relay.turn()
                metrics.RELAYED.add(by=relayed)
                if due:
                    self._upkeep()
                failures = 0
                self._heartbeat.beat()
            except Unavailable as error:
                failures += 1
                if failures == 1:
                    self._log.warning("waiting for the database", reason=str(error))
                self._heartbeat.beat(working=False)
                self._reset()
                self._stop.wait(backoff(0.05, failures, MOST_BACKOFF))
                continue
            if not relayed:
                self._stop.wait(IDLE)
