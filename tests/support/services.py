"""One real process of each service on one database, with metrics on a port of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import httpx

from gatewatch import bootstrap
from tests.support.commands import Commands, Process
from tests.support.http import url_of
from tests.support.servers import scratch_folder

SERVICES = ("api", "detector", "notifier")


class Services(NamedTuple):
    """Where the API answers, where each one's metrics are, a key for all that programs do, and the processes."""

    url: str
    metrics: dict[str, str]
    key: str
    commands: Commands
    processes: dict[str, Process]

    def send(self, method: str, path: str, **more: object) -> httpx.Response:
        """Send something with the key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.request(method, f"{self.url}{path}", headers=headers, **more)  # type: ignore[arg-type]  # httpx checks them


@contextmanager
def services(conninfo: str, **environment: str) -> Iterator[Services]:
    """Run them for as long as they are looked at."""
    bootstrap.prepare(conninfo, 4)
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        commands = Commands(folder, DATABASE_URL=conninfo, **environment)
        processes, addresses = dict[str, Process](), dict[str, str]()
        for service, port in zip(SERVICES, free_ports(len(SERVICES)), strict=True):
            commands.environment["GATEWATCH_METRICS_PORT"] = str(port)
            processes[service] = stack.enter_context(commands.running(service))
            addresses[service] = f"http://127.0.0.1:{port}/metrics"
        key = commands.run("keys", "create", "test", "--scope", "ingest,decide,read").stdout.strip()
        yield Services(url_of(processes["api"]), addresses, key, commands, processes)


def free_ports(count: int) -> list[int]:
    """Ports that nobody has."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in taken]


def reached(address: str) -> bool:
    """Whether somebody answers."""
    try:
        return httpx.get(address).status_code == 200
    except httpx.TransportError:
        return False
