"""How soon an event is a row, and what is found about it a message for others: API, broker, detector, notifier.

Each event is somebody's second login, a continent away from the first an hour before: it opens an anomaly.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, sleep, time_ns

import httpx
import msgspec
import psycopg
from confluent_kafka import Consumer, Message, TopicPartition

from benchmarks import http, pipes
from benchmarks.figures import BenchmarkError
from gatewatch.adapters.kafka.connection import config
from gatewatch.core.events import LoginEvent, User
from gatewatch.core.times import HOUR
from gatewatch.ports import ANOMALIES
from gatewatch.settings import Settings
from gatewatch.simulator.emit import PASSWORD
from gatewatch.simulator.network import build_internet
from gatewatch.simulator.wire import native_json

_FROM, _TO = "Oslo", "Sydney"
#: How often the table is looked at (s): no latency is known more exactly.
_LOOK = 0.005
#: How long nothing may arrive before that is an error (s).
_PATIENCE = 30.0
_STORED = "SELECT event_id FROM login_events WHERE event_id = ANY(%s)"


class Told(msgspec.Struct, frozen=True):
    """Seconds from sending each event until its row was seen, and until its anomaly was consumed."""

    rows: list[float]
    anomalies: list[float]


def measure(conninfo: str, settings: Settings, people: int) -> Told:
    """Send the second logins of so many people, one at a time, on a fresh log and database."""
    work = pipes.detector(conninfo, settings), pipes.notifier(conninfo, settings)
    first, second = _logins(_FROM, people, HOUR), _logins(_TO, people, 0)
    with (
        http.serving(conninfo, *work, settings=settings) as url,
        psycopg.connect(conninfo, autocommit=True) as connection,
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {http.key_of(conninfo)}"}) as client,
    ):
        connection.execute("SET ROLE gatewatch_worker")
        http.send(client, b"".join(map(native_json, first.values())))
        _until_stored(connection, list(first))
        return _told(client, _Watch(connection, settings, second), second)


def _logins(city: str, people: int, ago: int) -> dict[str, LoginEvent]:
    """A login of each from a city, so long ago (µs), by id."""
    (place,) = (place for place in build_internet().places if place.city.name == city)
    now = time_ns() // 1_000
    return {
        f"{city}-{number}": LoginEvent(
            event_id=f"{city}-{number}",
            tenant_id="default",
            time=now - ago,
            source="native",
            outcome="success",
            user=User(name=f"traveller-{number}"),
            ip=place.isps[0].address(number),
            auth=PASSWORD,
        )
        for number in range(people)
    }


def _until_stored(connection: psycopg.Connection[tuple[str, ...]], ids: list[str]) -> None:
    until = perf_counter() + _PATIENCE
    while len(connection.execute(_STORED.encode(), [ids]).fetchall()) < len(ids):
        if perf_counter() > until:
            raise BenchmarkError("the first logins are not stored")
        sleep(_LOOK)


def _told(client: httpx.Client, watch: "_Watch", events: Mapping[str, LoginEvent]) -> Told:
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch.run)
        http.send_apart(client, {id: native_json(event) for id, event in events.items()}, watch.departures)
        watching.result()
    return Told(
        [watch.rows[id] - left for id, left in watch.departures.items()],
        [watch.messages[id] - left for id, left in watch.departures.items()],
    )


class _Watch:
    """Sees rows and messages come, by the ids of events."""

    def __init__(
        self,
        connection: psycopg.Connection[tuple[str, ...]],
        settings: Settings,
        events: Mapping[str, LoginEvent],
    ) -> None:
        self.departures: dict[str, float] = {}
        self.rows: dict[str, float] = {}
        self.messages: dict[str, float] = {}
        self._connection = connection
        self._events = {f"default:user:{event.user_key}".encode(): id for id, event in events.items()}
        topic = settings.kafka_prefix + ANOMALIES
        self._consumer = Consumer(
            config(settings) | {"group.id": "gatewatch-bench", "enable.auto.commit": False}
        )
        parts = self._consumer.list_topics(topic, _PATIENCE).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, part, 0) for part in parts])

    def run(self) -> None:
        """Look until all is seen. Raises `BenchmarkError` where nothing comes any more."""
        seen, moved = 0, perf_counter()
        while (now := len(self.rows) + len(self.messages)) < 2 * len(self._events):
            if now > seen:
                seen, moved = now, perf_counter()
            if perf_counter() - moved > _PATIENCE:
                found = f"{len(self.rows)} rows and {len(self.messages)} anomalies"
                raise BenchmarkError(f"of {len(self._events)} events {found} were seen")
            self._look()
        self._consumer.close()

    def _look(self) -> None:
        message = self._consumer.poll(_LOOK)
        if message is not None:
            self._came(message)
        pending = list(self.departures.keys() - self.rows.keys())
        found = self._connection.execute(_STORED.encode(), [pending]).fetchall() if pending else []
        self.rows |= {id: perf_counter() for (id,) in found}

    def _came(self, message: Message) -> None:
        """A message about somebody; the first one counts."""
        key = message.key()
        id = self._events.get(key) if isinstance(key, bytes) else None
        if message.error() is not None or id is None or id not in self.departures:
            raise BenchmarkError(f"a message that no event is the cause of: {message.error() or key!r}")
        self.messages.setdefault(id, perf_counter())
