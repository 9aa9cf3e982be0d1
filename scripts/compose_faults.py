"""Kill the containers of a running `compose.yaml` under load, and count what was acknowledged against what is stored.

    .local/env/bin/python -m scripts.compose_faults [--url http://127.0.0.1:8421] [--rate 500] [--detectors N]
        [--oracle] [SERVICE …]

Applications send events to `ingest` all the while. Each service in turn (all that work, by default) is killed with
SIGKILL and started again after two seconds; then one is waited for that was acknowledged after the kill and is stored.
It ends with exit code 1 where an acknowledged event is not stored, or one is stored twice. With `--oracle` everything
in the database is also compared with a replay on one thread (on the host that Docker runs on; other senders must rest).
With `--detectors 3` there are that many of them before the first kill.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from threading import Event
from uuid import uuid4

import httpx

from gatewatch.detectors import extended_engine
from tests.faults import checks
from tests.faults.stored import WATCHED, Stored

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ("detector", "notifier", "ingest", "postgres", "kafka")
SENDERS, TOGETHER = 4, 20
#: How long a killed service stays away, how many acknowledged events there are before a kill, and the longest wait (s).
AWAY_SECONDS = 2.0
ENOUGH = 2_000
PATIENCE = 120.0


def compose(*arguments: str) -> str:
    """Run `docker compose`; what it prints."""
    return _docker("compose", *arguments)


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


class Applications:
    """Send at a rate (events per second), and remember in order what was acknowledged; what failed promises nothing."""

    def __init__(self, url: str, key: str, rate: float) -> None:
        self.run, self._pause = uuid4().hex[:12], SENDERS * TOGETHER / rate
        self._url, self._headers = url, {"Authorization": f"Bearer {key}"}
        self._numbers, self._stop = count(), Event()
        self.sent, self.acknowledged = 0, list[str]()

    def _send(self) -> None:
        with httpx.Client(base_url=self._url, headers=self._headers, timeout=30) as client:
            while not self._stop.wait(self._pause):
                ids = [f"{self.run}-{next(self._numbers)}" for _ in range(TOGETHER)]
                self.sent += TOGETHER
                try:
                    if client.post("/v1/events", json=[_event(id) for id in ids]).status_code == 202:
                        self.acknowledged.extend(ids)
                except httpx.TransportError:
                    continue

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send for as long as it is looked at."""
        with ThreadPoolExecutor(SENDERS) as pool:
            sending = [pool.submit(self._send) for _ in range(SENDERS)]
            try:
                yield
            finally:
                self._stop.set()
                for one in sending:
                    one.result()

    def stored(self) -> list[str]:
        """The ids that lie in the database, one for each row."""
        return _asked(f"SELECT event_id FROM login_events WHERE event_id LIKE '{self.run}-%'")

    def holds(self, id: str) -> bool:
        """Whether an event is stored; of a database that is away that is not known yet."""
        try:
            return bool(_asked(f"SELECT event_id FROM login_events WHERE event_id = '{id}'"))
        except subprocess.CalledProcessError:
            return False


def _asked(query: str) -> list[str]:
    psql = ("psql", "-U", "postgres", "-d", "gatewatch", "-Atc", query)
    return compose("exec", "-T", "postgres", *psql).split()


def _event(id: str) -> dict[str, str]:
    return {
        "event_id": id,
        "user": f"user-{hash(id) % 500}",
        "outcome": "success",
        "ip": "198.51.100.7",
        "time": datetime.now(UTC).isoformat(),
    }


def wait_for(what: str, holds: Callable[[], bool]) -> float:
    """Wait until something holds; how long that took (s). Raises `TimeoutError`."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > PATIENCE:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.1)  # polls, with the deadline above
    return time.monotonic() - began


def scale(detectors: int, applications: Applications) -> None:
    """Have more or fewer detectors under load, and say how long it takes until each has its share."""
    before = len(applications.acknowledged)
    wait_for("enough acknowledged events", lambda: len(applications.acknowledged) > before + ENOUGH)
    compose("up", "--detach", "--no-deps", "--no-recreate", "--scale", f"detector={detectors}", "detector")
    taken = wait_for("every detector to own partitions", lambda: _owners() == detectors)
    print(f"{detectors} detectors: partitions are shared among them {taken:.1f} s after their start")


def _owners() -> int:
    live = "SELECT count(DISTINCT owner) FROM partitions WHERE owner IS NOT NULL AND lease_until > now()"
    return int(_asked(live)[0])


def kill(service: str, applications: Applications) -> None:
    """Kill a service under load, start it again, and say how long its loss was felt."""
    before = len(applications.acknowledged)
    wait_for("enough acknowledged events", lambda: len(applications.acknowledged) > before + ENOUGH)
    compose("kill", "--signal", "KILL", service)
    killed = len(applications.acknowledged)
    time.sleep(AWAY_SECONDS)  # the fault itself: so long it is away
    compose("start", service)
    # One that was under way when the service died may have been acknowledged a moment later.
    margin = SENDERS * TOGETHER
    taken = wait_for("an acknowledged event", lambda: len(applications.acknowledged) > killed + margin)
    first = applications.acknowledged[killed + margin]
    stored = wait_for("that event to be stored", lambda: applications.holds(first))
    print(
        f"{service} killed: events are taken {taken:.1f} s after its start, and stored {taken + stored:.1f} s after"
    )


def account(applications: Applications) -> int:
    """Compare what was acknowledged with what is stored; returns how many events are wrong."""
    wanted, began = set(applications.acknowledged), time.monotonic()
    with suppress(TimeoutError):
        wait_for("everything acknowledged to be stored", lambda: wanted <= set(applications.stored()))
    rows = applications.stored()
    missing, repeated = sorted(wanted - set(rows)), len(rows) - len(set(rows))
    print(
        f"{applications.sent:,} events sent, {len(wanted):,} acknowledged; {time.monotonic() - began:.1f} s after the"
        f" last one {len(rows):,} are stored: {len(missing):,} missing, {repeated:,} twice"
    )
    if missing:
        print("missing:", *missing[:200])
    return len(missing) + repeated


def settle() -> None:
    """Wait until everything was assessed, reviewed and relayed."""
    left = (
        "SELECT (SELECT count(*) FROM review_queue) + (SELECT sum(p.out_seq - coalesce(o.seq, 0)) FROM partitions p"
        " LEFT JOIN outbox_positions o USING (part))"
    )
    wait_for("reviews and the outbox", lambda: _asked(left) == ["0"])


def differences() -> list[str]:
    """Where the database differs from a replay of what is stored in it."""
    password = uuid4().hex
    container = compose("ps", "--quiet", "postgres").strip()
    address = _docker(
        "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container
    )
    _asked(f"CREATE ROLE oracle SUPERUSER LOGIN PASSWORD '{password}'; {WATCHED}")
    try:
        stored = Stored(f"host={address} dbname=gatewatch user=oracle password={password}")
    finally:
        _asked("DROP TABLE faults_deleted, faults_log; DROP ROLE oracle")
    by = (checks.anomaly_columns, checks.source_state, checks.value_counts, checks.rollups)
    return [*checks.replay(extended_engine(), stored), *(fault for check in by for fault in check(stored))]


def compare() -> int:
    """Compare with the oracle, and say how it went; returns how many differences there are."""
    settle()
    began = time.monotonic()
    found = differences()
    print(
        "\n".join([f"{len(found)} differences from a replay ({time.monotonic() - began:.0f} s)", *found[:20]])
    )
    return len(found)


def in_force(url: str, key: str) -> bool:
    """Whether `ingest` knows the key."""
    empty = httpx.post(f"{url}/v1/events", headers={"Authorization": f"Bearer {key}"}, json=[])
    return empty.status_code != httpx.codes.UNAUTHORIZED


def main(arguments: list[str]) -> int:
    """Run; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:8421")
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--detectors", type=int, default=0)
    parser.add_argument("--oracle", action="store_true")
    parser.add_argument("services", nargs="*")
    given = parser.parse_args(arguments)
    running = compose("ps", "--services", "--status", "running").split()
    chosen = given.services or [service for service in SERVICES if service in running]
    key = (ROOT / "secrets" / "simulator_key").read_text().strip()
    if not in_force(given.url, key):
        print("the simulator's key is not in force: docker compose --profile demo run --rm simulator-key")
        return 1
    applications = Applications(given.url, key, given.rate)
    with applications.sending():
        if given.detectors:
            scale(given.detectors, applications)
        for service in chosen:
            kill(service, applications)
    wrong = account(applications) + (compare() if given.oracle else 0)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
