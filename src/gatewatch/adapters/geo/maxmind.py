"""Look-ups in the operator's MMDB files, which are read again when they change."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton
from typing import NamedTuple

import maxminddb

from gatewatch.adapters.geo.layouts import asn_of, geo_of
from gatewatch.core.events import Asn, Geo

#: How often the files are looked at for a change, in seconds.
CHECK_EVERY = 1.0
#: How many addresses are remembered, and how many networks of a file.
CACHE_SIZE = 65_536
MAX_NETWORKS = 65_536


class GeoProblem(Exception):
    """A geo database cannot be used: the message is the line to print."""


class Place(NamedTuple):
    """What is known of an address; None where no database has it."""

    geo: Geo | None
    asn: Asn | None


NOWHERE = Place(None, None)


class _Stamp(NamedTuple):
    inode: int
    size: int
    mtime: int


class _Database:
    """One file as it was when it was opened.

    What is mapped is a private copy: a file that is rewritten in place under a memory map kills the process (SIGBUS),
    and nobody can promise that the operator's job renames. The copy is unlinked at once; it costs its size in the
    temporary folder for as long as it is in use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.stamp = _stamp(path)
            with tempfile.NamedTemporaryFile(prefix="gatewatch-", suffix=".mmdb") as copy:
                with path.open("rb") as source:
                    shutil.copyfileobj(source, copy, 1 << 20)
                copy.flush()
                self.reader = maxminddb.open_database(copy.name)
            if _stamp(path) != self.stamp:
                raise GeoProblem(f"{path}: changed while it was being read.")
            metadata = self.reader.metadata()
            self.version = f"{metadata.database_type}@{metadata.build_epoch}"
            self.reader.get("192.0.2.1")
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            why = (
                error.strerror if isinstance(error, OSError) and error.strerror else "is no usable MMDB file"
            )
            raise GeoProblem(f"{path}: {why}.") from None

        self._places: dict[tuple[int, int, int], Place] = {}

    def place(self, ip: str) -> Place:
        """What the file knows of an address: nothing where it has no record, or holds another IP version only.

        Addresses of one network share a record, which is made into a place once. Raises `InvalidDatabaseError`.
        """
        try:
            record, length = self.reader.get_with_prefix_len(ip)
        except ValueError:
            return NOWHERE
        packed = inet_pton(AF_INET6 if ":" in ip else AF_INET, ip)
        network = (len(packed), length, int.from_bytes(packed) >> max(0, 8 * len(packed) - length))
        found = self._places.get(network)
        if found is None:
            found = Place(geo_of(record), asn_of(record)) if isinstance(record, dict) else NOWHERE
            if len(self._places) == MAX_NETWORKS:
                self._places.clear()
            self._places[network] = found
        return found


class MaxMind:
    """Places and networks from any number of MMDB files (city or country, ASN, or one with both).

    The first file that has a place, and the first that has a network, wins. `clock` gives monotonic seconds: at most
    once a second the files are looked at, and a changed one is read again. One that is broken then is reported once
    and the old one stays; on construction it raises `GeoProblem`. Addresses without entry, private ones among them,
    have no place: nothing is guessed.
    """

    def __init__(
        self,
        paths: Sequence[Path | str],
        *,
        clock: Callable[[], float],
        report: Callable[[str], None],
        cache_size: int = CACHE_SIZE,
    ) -> None:
        self._clock = clock
        self._report = report
        self._databases = [_Database(Path(path)) for path in paths]
        self._refused: dict[Path, _Stamp | None] = {}
        self._next_check = clock() + CHECK_EVERY
        self._cached = lru_cache(maxsize=cache_size)(self._find)

    @property
    def version(self) -> str:
        """Which databases answer: type and build time of each, stored with what was judged by them."""
        return ",".join(database.version for database in self._databases)

    def lookup(self, ip: str) -> Place:
        """What is known of a plain address; `Place(None, None)` for "" and for what no file has."""
        if self._clock() >= self._next_check:
            self.refresh()
        return self._cached(ip)

    def refresh(self) -> bool:
        """Reads changed files again, at once; whether any was."""
        self._next_check = self._clock() + CHECK_EVERY
        renewed = [self._renewed(database) for database in self._databases]
        changed = any(new is not old for new, old in zip(renewed, self._databases, strict=True))
        if changed:
            self._databases = renewed
            self._cached.cache_clear()
        return changed

    def close(self) -> None:
        """Lets go of the files."""
        for database in self._databases:
            database.reader.close()

    def _renewed(self, old: _Database) -> _Database:
        stamp = _stamp_or_none(old.path)
        if stamp == old.stamp or self._refused.get(old.path, old.stamp) == stamp:
            return old
        try:
            new = _Database(old.path)
        except GeoProblem as problem:
            self._refused[old.path] = stamp
            self._report(f"{problem} The database read before stays in use.")
            return old
        self._refused.pop(old.path, None)
        return new  # the old reader goes with its last user

    def _find(self, ip: str) -> Place:
        geo: Geo | None = None
        asn: Asn | None = None
        for database in self._databases if ip else ():
            found = self._place(database, ip)
            geo, asn = geo or found.geo, asn or found.asn
        return Place(geo, asn)

    def _place(self, database: _Database, ip: str) -> Place:
        try:
            return database.place(ip)
        except maxminddb.InvalidDatabaseError:
            if self._refused.get(database.path) != database.stamp:
                self._refused[database.path] = database.stamp
                self._report(
                    f"{database.path}: some of its records are damaged; their addresses have no place."
                )
            return NOWHERE


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return _Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


def _stamp_or_none(path: Path) -> _Stamp | None:
    try:
        return _stamp(path)
    except OSError:
        return None
