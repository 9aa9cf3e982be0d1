"""Settings: the only module that reads the environment. Everything is parsed and checked before anything connects.

A value may lie in a file instead, as orchestrators hand out secrets: `<variable>_FILE` names it.
"""

import os
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from gatewatch.core.events import TENANT

#: Every variable is `GATEWATCH_` and the field's name in capitals; `DATABASE_URL` is taken without the prefix as well.
PREFIX = "GATEWATCH_"
#: Ends the name of a variable that names a file with the value.
IN_A_FILE = "_FILE"

Seconds = Annotated[float, msgspec.Meta(gt=0.0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]

#: One of the connector's topics, and what its records are.
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}=[a-z0-9_]+")

#: The names under which a machine always answers itself.
OWN_HOSTS = ("localhost", "127.0.0.1", "::1")


class SettingsError(Exception):
    """A setting is not what it must be; the message names it in one plain line."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings with their defaults."""

    #: A PostgreSQL of your own (15-18); without one, Gatewatch runs its own in `data_dir`.
    database_url: str = ""
    #: Where the embedded PostgreSQL keeps its data and the supervisor its state.
    data_dir: str = ".local/gatewatch"
    #: A folder with PostgreSQL binaries for the embedded server (default: the ones that came with Gatewatch).
    postgres_bin: str = ""
    #: The tenant that the command line speaks for.
    tenant: Annotated[str, msgspec.Meta(pattern=f"^{TENANT}$")] = "default"
    #: The API key that `simulate --out URL` and `replay --to URL` send with.
    key: str = ""
    #: MMDB files for place and network; without them events are marked "no geo".
    geo_city: str = ""
    geo_asn: str = ""
    #: Partitions of the embedded log when it is created.
    log_partitions: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 8
    #: Days that events are kept; 0 keeps them for ever.
    retention_days: Annotated[int, msgspec.Meta(ge=0)] = 0
    #: How long a detector may be silent before others take its partitions, in seconds.
    lease_timeout: Seconds = 5.0
    #: The most records of one batch while a detector is behind.
    batch_size: Positive = 5_000
    #: How long source buckets live after they were last written, in seconds: the longest window (a day), the slot (a
    #: day) and the lateness (a day).
    bucket_life: Seconds = 72 * 3600.0
    #: How long an attacked source must be quiet before it is no longer looked at again, in seconds: longer than any
    #: transaction may live.
    review_quiet: Seconds = 30.0
    #: How often the other partitions' value counts are merged, in seconds.
    frequency_merge: Seconds = 60.0
    #: Where Prometheus metrics are served, apart from everything else; port 0: nowhere.
    metrics_host: Annotated[str, msgspec.Meta(min_length=1)] = "127.0.0.1"
    metrics_port: Port = 0
    #: A file that a detector, notifier or simulator touches while it works; `python -m gatewatch.health` reads it.
    heartbeat: str = ""
    #: Where the HTTP API listens.
    api_host: str = "127.0.0.1"
    api_port: Port = 8420
    #: Connections to PostgreSQL that one API process holds at most, beside the one that appends to the log.
    api_connections: Annotated[int, msgspec.Meta(ge=1, le=256)] = 8
    #: Decisions that one API process makes at once, each on a connection of its own.
    decide_connections: Annotated[int, msgspec.Meta(ge=1, le=256)] = 4
    #: How long PostgreSQL may take over one question of the API, in seconds.
    query_seconds: Seconds = 10.0
    #: The address that people's browsers know, such as `https://example.org/gatewatch`; its path is the base path.
    public_url: str = ""
    #: Further names that the API answers to, with commas; `*.example.org` stands for all below it.
    allowed_hosts: str = ""
    #: Proxies, as addresses or networks with commas, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    trusted_proxies: str = ""
    #: The most bytes of a request's body, as sent and decompressed.
    body_limit: Positive = 8 << 20
    decompressed_limit: Positive = 32 << 20
    #: The most events of a request.
    item_limit: Positive = 10_000
    #: How deeply the JSON of an event may be nested.
    depth_limit: Annotated[int, msgspec.Meta(ge=1, le=64)] = 64
    #: How long a client may take to send its body, in seconds.
    send_seconds: Seconds = 30.0
    #: How many rejects of one API key become dead letters in an hour, per process; further ones are only counted.
    dead_letters_per_key: Annotated[int, msgspec.Meta(ge=0)] = 1_000
    #: The most streams of one API process.
    stream_clients: Positive = 256
    #: The most events that the client of a stream may have missed and is still told of.
    stream_catch_up: Positive = 10_000
    #: Kafka brokers, as `host:port` with commas: the log is the topic `gatewatch.logins` then; without any it is
    #: embedded in PostgreSQL.
    kafka_bootstrap: str = ""
    #: What the names of our topics, and of the detectors' consumer group, begin with.
    kafka_prefix: Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[A-Za-z0-9._-]*$")] = ""
    #: Partitions of the log's topic when it is created, and copies of each (0: as many as is the brokers' default).
    kafka_partitions: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 64
    kafka_replicas: Annotated[int, msgspec.Meta(ge=0, le=16)] = 0
    #: How long an append may take until all in-sync copies have it, in seconds; then it is refused.
    kafka_delivery_seconds: Annotated[float, msgspec.Meta(ge=0.5, le=120.0)] = 5.0
    #: How brokers are spoken to, and as whom.
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    kafka_sasl: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = ""
    kafka_username: str = ""
    kafka_password: str = ""
    #: Where OAUTHBEARER tokens are issued, and to which client.
    kafka_oauth_url: str = ""
    kafka_oauth_client: str = ""
    kafka_oauth_secret: str = ""
    kafka_oauth_scope: str = ""
    #: PEM files: who signs the brokers' certificates (default: the system's), and a certificate and key of our own.
    kafka_ca: str = ""
    kafka_certificate: str = ""
    kafka_certificate_key: str = ""
    kafka_key_password: str = ""
    #: Topics of vendors that a connector reads, as `topic=source` with commas; their events are the tenant's.
    connector_topics: str = ""
    #: The consumer group in which connectors share the topics' partitions, and where a new one begins.
    connector_group: Annotated[str, msgspec.Meta(min_length=1, max_length=249)] = "gatewatch-connectors"
    connector_from: Literal["earliest", "latest"] = "earliest"
    #: The brokers that the topics lie on, how they are spoken to, and as whom; without any, the log's own.
    connector_bootstrap: str = ""
    connector_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    connector_sasl: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = ""
    connector_username: str = ""
    connector_password: str = ""
    connector_oauth_url: str = ""
    connector_oauth_client: str = ""
    connector_oauth_secret: str = ""
    connector_oauth_scope: str = ""
    connector_ca: str = ""
    connector_certificate: str = ""
    connector_certificate_key: str = ""
    connector_key_password: str = ""
    #: debug, info, warning or error.
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def data_path(self) -> Path:
        """`data_dir` as an absolute path."""
        return Path(self.data_dir).absolute()

    def __post_init__(self) -> None:
        if self.public_url:
            _check_url(self.public_url)
        for proxy in self.proxies:
            try:
                ip_network(proxy)
            except ValueError:
                raise ValueError(f"trusted_proxies: {proxy!r} is no address or network") from None
        _check_brokers(self, "kafka")
        _check_brokers(self, "connector")
        _check_topics(self)

    @property
    def _url(self) -> SplitResult:
        return urlsplit(self.public_url)

    @property
    def proxies(self) -> list[str]:
        """`trusted_proxies` as a list."""
        return _listed(self.trusted_proxies)

    @property
    def vendor_topics(self) -> dict[str, str]:
        """The source of each of the `connector_topics`."""
        pairs = (text.partition("=") for text in _listed(self.connector_topics))
        return {topic: source for topic, _, source in pairs}

    @property
    def hosts(self) -> list[str]:
        """Every name that the API answers to, in lower case."""
        return [*OWN_HOSTS, *filter(None, [self._url.hostname]), *_listed(self.allowed_hosts.lower())]

    @property
    def base_path(self) -> str:
        """What stands before every path ("" or `/name`)."""
        return self._url.path.rstrip("/")

    @property
    def origin(self) -> str:
        """The origin of `public_url` as browsers write it, "" without one."""
        if not self.public_url:
            return ""
        host = self._url.netloc.rpartition("@")[2].lower()
        usual = {"http": ":80", "https": ":443"}[self._url.scheme]
        return f"{self._url.scheme}://{host.removesuffix(usual)}"


def _check_url(text: str) -> None:
    try:
        url = urlsplit(text)
        if url.scheme in ("http", "https") and url.hostname and not url.query and url.port != 0:
            return
    except ValueError:
        pass
    raise ValueError("public_url: no address such as https://example.org/gatewatch")


def _check_brokers(settings: Settings, whose: str) -> None:
    """What goes together: credentials, and a way to send them."""
    sasl, security = getattr(settings, f"{whose}_sasl"), getattr(settings, f"{whose}_security")
    if bool(sasl) != security.startswith("sasl"):
        raise ValueError(
            f"{whose}_sasl: {sasl or 'nothing'!r} does not go with {whose}_security {security!r}"
        )
    needed = ["oauth_url", "oauth_client"] if sasl == "OAUTHBEARER" else ["username"]
    for name in needed if sasl else []:
        if not getattr(settings, f"{whose}_{name}"):
            raise ValueError(f"{whose}_{name}: {sasl} needs it")


def _check_topics(settings: Settings) -> None:
    """Each is a name and what its records are, once."""
    named = _listed(settings.connector_topics)
    for text in named:
        if not _TOPIC.fullmatch(text):
            raise ValueError(f"connector_topics: {text!r} is no topic=source")
    if len(settings.vendor_topics) < len(named):
        raise ValueError("connector_topics: a topic is named twice")


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def read(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment. Raises `SettingsError` with one line that names the variable."""
    found = {name: _value(environment, PREFIX + name.upper()) for name in Settings.__struct_fields__}
    given = {name: value for name, value in found.items() if value is not None}
    if "database_url" not in given and (url := _value(environment, "DATABASE_URL")):
        given["database_url"] = url
    try:
        return msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$.")
        if not where:  # of a check of ours, which names the setting itself
            where, _, reason = reason.partition(": ")
        raise SettingsError(f"{PREFIX}{where.rstrip('`').upper()}: {reason}") from error


def _value(environment: Mapping[str, str], variable: str) -> str | None:
    """What a variable says, or the file that `<variable>_FILE` names; None where neither is set."""
    file = environment.get(variable + IN_A_FILE)
    if not file:
        return environment.get(variable)
    if environment.get(variable):
        raise SettingsError(f"{variable} and {variable}{IN_A_FILE} are both set")
    try:
        return Path(file).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it holds no text"
        raise SettingsError(f"{variable}{IN_A_FILE}: {file}: {why}") from None


def current() -> Settings:
    """The settings of this process. Raises `SettingsError`."""
    return read(os.environ)


def traces_wanted() -> bool:
    """Whether OpenTelemetry's own variables ask for spans: they name a collector, and nothing speaks against it."""
    named = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return (
        any(os.environ.get(name) for name in named)
        and os.environ.get("OTEL_TRACES_EXPORTER", "otlp") == "otlp"
        and os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true"
    )


def environment(settings: Settings) -> dict[str, str]:
    """What a child process is started with, so that it reads the same settings as these."""
    own = {PREFIX + name.upper(): str(getattr(settings, name)) for name in Settings.__struct_fields__}
    in_files = {variable + IN_A_FILE for variable in own}
    return {name: value for name, value in os.environ.items() if name not in in_files} | own
