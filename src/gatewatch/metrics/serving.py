"""Serving a process's metrics on a port of their own: never on the one that the world reaches."""

from pathlib import Path

import prometheus_client
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from gatewatch import __version__, metrics
from gatewatch.metrics.kinds import Service

#: Where the kernel tells a container's memory limit: control groups version 2, and 1.
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
#: From here on a limit is none.
ENDLESS = 1 << 60


def registry(service: Service) -> CollectorRegistry:
    """What a service serves: its part of the list, and what is known of its process."""
    # Nothing reads when a series began, and it would be a second one beside each.
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # the library gives it no types
    metrics.BUILD.replace({(service, __version__): 1})
    metrics.MEMORY_LIMIT.set(memory_limit())
    found = CollectorRegistry()
    for metric in metrics.METRICS:
        if service in metric.services:
            found.register(metric.collector)
    ProcessCollector(registry=found)
    GCCollector(registry=found)
    return found


def serve(service: Service, host: str, port: int) -> None:
    """Answer in a thread for as long as the process lives. Raises `OSError` where the port cannot be had."""
    prometheus_client.start_http_server(port, addr=host, registry=registry(service))


def memory_limit(files: tuple[Path, ...] = LIMITS) -> int:
    """The limit in bytes, 0 without one."""
    for file in files:
        try:
            limit = int(file.read_text())
        except (OSError, ValueError):  # "max" is no number
            continue
        return limit if limit < ENDLESS else 0
    return 0
