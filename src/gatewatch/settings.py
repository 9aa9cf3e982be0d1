"""Settings: the only module that reads the environment. Everything is parsed and checked before anything connects."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

#: Every variable is `GATEWATCH_` and the field's name in capitals; `DATABASE_URL` is taken without the prefix as well.
PREFIX = "GATEWATCH_"

Seconds = Annotated[float, msgspec.Meta(gt=0.0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


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
    tenant: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")] = (
        "default"
    )
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
    #: Where Prometheus metrics are served (127.0.0.1); 0: nowhere.
    metrics_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    #: debug, info, warning or error.
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def data_path(self) -> Path:
        """`data_dir` as an absolute path."""
        return Path(self.data_dir).absolute()


def read(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment. Raises `SettingsError` with one line that names the variable."""
    given = {
        name: environment[variable]
        for name in Settings.__struct_fields__
        for variable in (PREFIX + name.upper(),)
        if variable in environment
    }
    if "database_url" not in given and environment.get("DATABASE_URL"):
        given["database_url"] = environment["DATABASE_URL"]
    try:
        return msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$.")
        raise SettingsError(f"{PREFIX}{where.rstrip('`').upper()}: {reason}") from error


def current() -> Settings:
    """The settings of this process. Raises `SettingsError`."""
    return read(os.environ)


def environment(settings: Settings) -> dict[str, str]:
    """What a child process is started with, so that it reads the same settings as these."""
    own = {PREFIX + name.upper(): str(getattr(settings, name)) for name in Settings.__struct_fields__}
    return {**os.environ, **own}
