"""How clients reach the brokers, from the settings; and Kafka's errors as the ports' own."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any, Literal

from confluent_kafka import KafkaError, KafkaException

from gatewatch import logs
from gatewatch.ports import BadData, Unavailable
from gatewatch.settings import Settings

#: The largest record, in bytes: an event with everything that is kept of it has less than 2 MiB.
MAX_RECORD = 4 << 20
#: How often clients look how many partitions a topic has, in milliseconds.
METADATA_AGE = 5_000
#: After how long a consumer that had enough at hand fetches again, in milliseconds. By itself it waits for a second, in
#: which a reader may run dry.
QUEUE_BACKOFF = 20
#: How long a client may take to leave its group, in seconds.
CLOSE_SECONDS = 5.0
#: What brokers say of something that we have no right to.
DENIED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)

Config = dict[str, Any]

_FROM_SETTINGS = {
    "sasl.username": "username",
    "sasl.password": "password",
    "sasl.oauthbearer.token.endpoint.url": "oauth_url",
    "sasl.oauthbearer.client.id": "oauth_client",
    "sasl.oauthbearer.client.secret": "oauth_secret",
    "sasl.oauthbearer.scope": "oauth_scope",
    "ssl.ca.location": "ca",
    "ssl.certificate.location": "certificate",
    "ssl.key.location": "certificate_key",
    "ssl.key.password": "key_password",
}

#: Whose settings say how brokers are reached: those of the log, or of vendors' topics.
Whose = Literal["kafka", "connector"]


def config(settings: Settings, whose: Whose = "kafka") -> Config:
    """What every client is made with."""

    def of(name: str) -> str:
        return str(getattr(settings, f"{whose}_{name}"))

    found: Config = {
        "bootstrap.servers": of("bootstrap"),
        "client.id": "gatewatch",
        "security.protocol": of("security"),
        "socket.keepalive.enable": True,
        "topic.metadata.refresh.interval.ms": METADATA_AGE,
        "reconnect.backoff.max.ms": 1_000,
        "logger": _quiet(),
    }
    if of("sasl"):
        found["sasl.mechanism"] = of("sasl")
    if of("sasl") == "OAUTHBEARER":
        found["sasl.oauthbearer.method"] = "oidc"
    return found | {key: value for key, name in _FROM_SETTINGS.items() if (value := of(name))}


def _quiet() -> logging.Logger:
    """The library's own log: what matters of it comes as errors, which `Outage` tells once."""
    logger = logging.getLogger("gatewatch.kafka")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger


class Outage:
    """Tells that brokers are away, or refuse us, once for each kind of error, and once that they are back."""

    def __init__(self, what: str) -> None:
        self._what, self._log = what, logs.get()
        self._told: set[str] = set()

    def __call__(self, error: KafkaError) -> None:
        """A client's error, as its callback is given it."""
        if error.name() not in self._told:
            self._told.add(error.name())
            self._log.warning(
                "Kafka does not answer", client=self._what, error=error.name(), reason=error.str()
            )

    def over(self) -> None:
        """Something went through."""
        if self._told:
            self._told.clear()
            self._log.info("Kafka is back", client=self._what)


def close_in_time(close: Callable[[], None]) -> None:
    """Close a client, and wait for it no longer than `CLOSE_SECONDS`: where a broker hangs the library waits without
    end for it to take note of a commit.
    """

    def closed() -> None:
        try:
            close()
        except KafkaException as error:
            logs.get().warning("a Kafka client left without saying good-bye", reason=error.args[0].str())

    closing = Thread(target=closed, name="kafka-close", daemon=True)
    closing.start()
    closing.join(CLOSE_SECONDS)


@contextmanager
def translated() -> Iterator[None]:
    """Kafka's errors as `Unavailable`; of a record that is too large `BadData`."""
    try:
        yield
    except KafkaException as error:
        raise as_ours(error.args[0]) from error


def as_ours(error: KafkaError) -> Exception:
    """An error of Kafka's as one of the ports."""
    if error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD):
        return BadData(f"Kafka refuses a record: {error.str()}")
    return Unavailable(f"Kafka: {error.str()}")
