"""Rows in which PostgreSQL, or the way to it, fails."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from gatewatch.adapters.postgres.server import EmbeddedPostgres
from tests.faults.matrix import scene as scenes
from tests.faults.matrix.ground import Database, Ground, disk
from tests.faults.matrix.proxy import Proxy
from tests.faults.matrix.rows import Rows
from tests.faults.matrix.scene import PARTS, Scene
from tests.faults.scenario import Chunk
from tests.support.servers import SMALL

ROWS = Rows()

#: What another session does, by seed.
LOCKS = (
    "LOCK TABLE profiles IN EXCLUSIVE MODE",
    "LOCK TABLE login_events IN EXCLUSIVE MODE",
    "SELECT FROM partitions FOR UPDATE",
)


@ROWS.add("postgres-restart", "PostgreSQL is restarted (fast shutdown)")
def restart(scene: Scene) -> None:
    """Sessions end in order; the server is away for a moment."""
    scene.begin()
    scene.flow(scene.rng.uniform(0.5, 2.0))
    scene.database.server.stop()
    scene.flow(scene.rng.uniform(1.0, 3.0))
    scene.database.server.start()
    scene.recovered(PARTS, time.monotonic())
    scene.flow(2.0)


@ROWS.add("postgres-crash", "PostgreSQL is ended at once (immediate), and recovers from its log")
def crash(scene: Scene) -> None:
    """Twice, so that one hits the first moments after the other."""
    scene.begin()
    for _ in range(2):
        scene.flow(scene.rng.uniform(0.5, 2.0))
        scene.database.server.crash()
        scene.flow(scene.rng.uniform(0.0, 2.0))
        scene.database.server.start()
        scene.recovered(PARTS, time.monotonic())
    scene.flow(2.0)


@ROWS.add("backend-kill", "all backends of detectors and notifiers are ended, again and again for 6 s")
def backend_kill(scene: Scene) -> None:
    """Wherever their statements are."""
    scene.begin()
    ended, until = 0, time.monotonic() + 6.0
    while time.monotonic() < until:
        found = scene.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = 'gatewatch' AND datname = current_database()"
        )
        ended += len(found)
        scene.flow(scene.rng.uniform(0.1, 0.8))
    scene.happened.append(f"{ended} backends ended")
    scene.recovered(PARTS, time.monotonic())
    scene.flow(2.0)


@ROWS.add("postgres-read-only", "PostgreSQL takes no writes for 8 s (default_transaction_read_only)")
def read_only(scene: Scene) -> None:
    """As a server does that was made a standby, or whose operator runs out of space."""
    scene.begin()
    scene.database.do("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    try:
        scene.flow(8.0)
        before = scene.watch.stored()
        scene.flow(0.5)
        if scene.watch.stored() != before:
            scene.wrong.append("something was stored while PostgreSQL was read-only")
    finally:
        scene.database.do("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
    scene.recovered(PARTS, time.monotonic())
    scene.flow(2.0)


@contextmanager
def _on_a_small_disk(ground: Ground, seed: int, chunks: list[Chunk]) -> Iterator[Scene]:
    with (
        disk(ground.folder / f"disk-{time.monotonic_ns()}", ground.database) as (tablespace, place),
        scenes.opened(ground, seed, chunks, tablespace=tablespace) as scene,
    ):
        scene.disk = place
        yield scene


@ROWS.add("disk-full", "the database's file system is full for 8 s", opened=_on_a_small_disk)
def disk_full(scene: Scene) -> None:
    """Somebody else's file takes what is left; then it goes."""
    scene.begin()
    ballast, log = scene.disk / "ballast", scene.database.server.log
    said = log.stat().st_size
    taken = _fill(ballast)
    scene.happened.append(f"{taken / (1 << 20):.0f} MiB taken away")
    scene.flow(8.0)
    if b"No space left" not in log.read_bytes()[said:]:
        scene.wrong.append("PostgreSQL never said that its disk was full")
    ballast.unlink()
    scene.recovered(PARTS, time.monotonic())
    scene.flow(2.0)


def _fill(path: Path) -> int:
    """Write a file until nothing more fits; its bytes."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for size in (1 << 20, 1 << 12):
            while True:
                try:
                    os.write(file, bytes(size))
                except OSError:
                    break
    finally:
        os.close(file)
    return path.stat().st_size


@ROWS.add("lock-timeout", "another session holds a lock that batches need for 14 s (lock_timeout is 5 s)")
def lock_timeout(scene: Scene) -> None:
    """On a table that every batch writes, or on the rows of the partitions themselves."""
    statement = LOCKS[scene.seed % len(LOCKS)]
    scene.begin()
    with psycopg.connect(scene.database.superuser(scene.name)) as connection:
        connection.execute(statement.encode())
        scene.flow(14.0)
    scene.happened.append(statement)
    scene.recovered(PARTS, time.monotonic())
    if not any("lock timeout" in scene.said(name) for name in ("detector-1", "detector-2")):
        scene.wrong.append("no detector said that a lock was not to be had")
    scene.flow(2.0)


@ROWS.add("slow-commits", "each COMMIT takes 2 s longer, for 16 s (a proxy)")
def slow_commits(scene: Scene) -> None:
    """Batches grow; nobody is taken for dead."""
    scene.begin()
    scene.database.proxy.commit_delay = 2.0
    scene.flow(16.0)
    scene.database.proxy.commit_delay = 0.0
    scene.recovered(PARTS, time.monotonic())
    scene.flow(2.0)


@ROWS.add(
    "commit-reply-cut", "the connection is cut when PostgreSQL has committed and before it says so (a proxy)"
)
def reply_cut(scene: Scene) -> None:
    """Ten times, some in a row: the batch is stored, and who sent it does not know."""
    scene.begin()
    proxy = scene.database.proxy
    before = proxy.cut
    for n in scene.rng.choice([(1, 2, 3, 4), (4, 3, 2, 1), (2, 3, 2, 3)]):
        proxy.cut_commits(n)
        scene.flow(scene.rng.uniform(0.5, 2.0))
    scene.until(lambda: proxy.cut == before + 10, "all answers to be cut")
    scene.happened.append(f"{proxy.cut - before} answers cut")
    scene.recovered(PARTS, time.monotonic())
    scene.flow(2.0)


@contextmanager
def _with_a_replica(ground: Ground, seed: int, chunks: list[Chunk]) -> Iterator[Scene]:
    """On a server of its own, which a replica follows through a proxy."""
    with ExitStack() as stack:
        folder = ground.folder / f"pair-{time.monotonic_ns()}"
        primary = stack.enter_context(EmbeddedPostgres(folder / "primary", durable=False, settings=SMALL))
        database = Database(primary)
        stack.callback(database.proxy.close)
        scene = stack.enter_context(scenes.opened(ground, seed, chunks, database))
        link = Proxy(lambda: database.port)
        stack.callback(link.close)
        replica = database.replica(folder / "replica", link)
        stack.callback(replica.stop)
        scene.link, scene.replica = link, replica
        yield scene


@ROWS.add(
    "fail-over",
    "PostgreSQL crashes, and its replica, seconds behind, is promoted",
    "what was lost is read again from the log",
    opened=_with_a_replica,
)
def fail_over(scene: Scene) -> None:
    """The replica hears nothing for a while; what is committed then is lost with the primary, offsets included."""
    scene.begin()
    scene.until(
        lambda: scene.rows("SELECT count(*) FROM pg_stat_replication") == [(1,)], "the replica to follow"
    )
    scene.flow(2.0)
    scene.link.stall()
    scene.flow(scene.rng.uniform(2.0, 5.0))
    (before,) = scene.rows("SELECT sum(next_offset)::bigint FROM partitions")[0]
    scene.database.server.crash()
    scene.flow(0.5)
    with psycopg.connect(scene.replica.superuser_conninfo, autocommit=True) as connection:
        connection.execute("SELECT pg_promote(true, 60)")
    scene.database.server = scene.replica
    scene.went_back = True
    (after,) = scene.rows("SELECT sum(next_offset)::bigint FROM partitions")[0]
    promoted = time.monotonic()
    scene.happened.append(f"at least {before - after} stored records lost with the primary")
    if after >= before:
        scene.wrong.append("the replica was not behind: nothing was lost that could be read again")
    scene.recovered(PARTS, promoted)
    scene.flow(2.0)
