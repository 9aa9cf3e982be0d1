"""Metrics as Prometheus reads them: from real processes, on a port of their own and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from gatewatch import metrics
from gatewatch.metrics.kinds import AnyMetric
from tests.conftest import migrated_template
from tests.support.commands import Commands, until
from tests.support.servers import DatabaseServer
from tests.support.services import SERVICES, Services, reached, services

#: What no route takes, and the server passes on.
METHODS = ("PUT", "OPTIONS", "PROPFIND", "PURGE")
_LISTED = {metric.name: metric for metric in metrics.METRICS}


class Running(Services):
    """One process of each service, and what they serve."""

    def samples(self, service: str) -> list[Sample]:
        """What a service serves."""
        answer = httpx.get(self.metrics[service])
        assert answer.headers["content-type"].startswith("text/plain")
        return [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]

    def value(self, of: str, name: str, **labels: str) -> float:
        """The sum of the series that have these labels."""
        found = [s for s in self.samples(of) if s.name == name and labels.items() <= s.labels.items()]
        return sum(sample.value for sample in found)


@pytest.fixture(scope="module")
def running(postgres: DatabaseServer, templates: dict[str, str]) -> Iterator[Running]:
    """A process of each service."""
    if postgres.conninfo not in templates:
        templates[postgres.conninfo] = migrated_template(postgres)
    with postgres.fresh(templates[postgres.conninfo]) as conninfo, services(conninfo) as found:
        for address in found.metrics.values():
            until(lambda: reached(address), address)  # noqa: B023 -- called before the next one
        yield Running(*found)


def event(user: str, ip: str = "192.0.2.7", outcome: str = "failure") -> dict[str, object]:
    """A native event."""
    return {"time": "2026-03-02T08:00:00Z", "user": user, "ip": ip, "outcome": outcome}


def test_what_was_done_is_counted(running: Running) -> None:
    """Events, anomalies, batches, caches, requests and the outbox show where they should, and lag falls to 0."""
    sent = [event(f"victim{n}") for n in range(60)]
    assert running.send("POST", "/v1/events", json=sent).status_code == 202
    stored = {"source": "native", "outcome": "failure"}
    until(lambda: running.value("detector", "gatewatch_events_stored_total", **stored) == 60, "the events")
    until(lambda: running.value("detector", "gatewatch_anomalies_total") > 0, "the finding")
    until(lambda: running.value("detector", "gatewatch_log_lag_records") == 0, "no lag")
    until(lambda: running.value("notifier", "gatewatch_outbox_relayed_total") > 0, "the relay")
    until(lambda: running.value("notifier", "gatewatch_partitions", ownership="alive") == 4, "the owners")
    until(lambda: running.value("notifier", "gatewatch_outbox_waiting_messages") == 0, "an empty outbox")
    assert len({s.labels["lane"] for s in running.samples("notifier") if "lane" in s.labels}) == 5
    for stage in ("read", "decode", "load", "assess", "merge", "commit"):
        assert running.value("detector", "gatewatch_batch_seconds_count", stage=stage) > 0
    assert running.value("detector", "gatewatch_event_delay_seconds_count") > 0
    assert running.value("detector", "gatewatch_partitions_owned") == 4
    assert running.value("detector", "gatewatch_cache_lookups_total", cache="users") == 60
    assert running.value("detector", "gatewatch_cache_entries", cache="users") == 60
    profiles = running.value("detector", "gatewatch_profiles_stored_total")
    assert 60 <= profiles < running.value("detector", "gatewatch_profiles_stored_bytes_total")
    route = {"route": "/v1/events", "method": "POST"}
    assert running.value("api", "gatewatch_http_requests_total", status="2xx", **route) == 1
    assert running.value("api", "gatewatch_http_request_seconds_count", **route) == 1
    assert running.value("api", "gatewatch_ingest_records_total", source="native", result="accepted") == 60


def test_requests_of_strangers_make_no_series(running: Running) -> None:
    """A path that is none is no label, nor is a method that is none; what was refused is counted under its route."""
    before = len(running.samples("api"))
    for n in range(20):
        httpx.get(f"{running.url}/v1/no/such/{n}")
        httpx.request(METHODS[n % len(METHODS)], f"{running.url}/v1/events")
        httpx.get(f"{running.url}/v1/events/{n}")
    assert running.value("api", "gatewatch_http_requests_total", route="none", status="4xx") == 40
    assert running.value("api", "gatewatch_http_requests_total", method="other") == 20
    refused = {"route": "/v1/events/{event_id}", "status": "4xx"}
    assert running.value("api", "gatewatch_http_requests_total", **refused) == 20
    assert len(running.samples("api")) - before < 60


@pytest.mark.parametrize("service", SERVICES)
def test_only_what_is_listed_is_served(running: Running, service: str) -> None:
    """Every series is one of the list, with its labels, and each says what the list allows."""
    found = [sample for sample in running.samples(service) if sample.name.startswith("gatewatch_")]
    for sample in found:
        metric = listed(sample.name)
        assert service in metric.services
        said = {name: value for name, value in sample.labels.items() if name != "le"}
        assert said.keys() == {label.name for label in metric.labels}
        assert all(label.open or said[label.name] in label.values for label in metric.labels)
    assert running.value(service, "gatewatch_build_info", service=service) == 1
    assert running.value(service, "process_resident_memory_bytes") > 1 << 20


def listed(sample: str) -> AnyMetric:
    """The metric that a sample belongs to. Raises `KeyError` for one of none."""
    for ending in ("_bucket", "_sum", "_count"):
        name = sample.removesuffix(ending)
        if name != sample and name in _LISTED and _LISTED[name].kind == "histogram":
            return _LISTED[name]
    return _LISTED[sample]


@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/openmetrics-text"])
def test_the_public_port_does_not_answer_metrics(running: Running, accept: str) -> None:
    """The port of the API has no metrics, whoever asks and however: the path is like any other that is none."""
    for headers in ({}, {"Authorization": f"Bearer {running.key}"}):
        said = httpx.get(f"{running.url}/metrics", headers={"Accept": accept, **headers})
        other = httpx.get(f"{running.url}/nothing", headers={"Accept": accept, **headers})
        assert said.status_code == other.status_code
        assert "gatewatch_events" not in said.text
        assert "process_resident" not in said.text
    assert httpx.get(f"{running.url}/v1/metrics").status_code == 404


def test_nobody_else_listens_for_it(running: Running) -> None:
    """A metrics port that is taken is one line that names the setting, not a traceback."""
    port = running.metrics["api"].rpartition(":")[2].removesuffix("/metrics")
    running.commands.environment["GATEWATCH_METRICS_PORT"] = port
    done = running.commands.run("notifier")
    assert done.returncode == 1
    where = f"127.0.0.1:{port}: Address already in use (GATEWATCH_METRICS_PORT)"
    assert done.stderr.splitlines()[-1] == f"gatewatch: cannot listen on {where}"


def test_metrics_are_off_unless_asked_for(scratch: Path) -> None:
    """Without the setting nothing listens but the API, and only on this machine."""
    commands = Commands(scratch / "data")
    with commands.running("up") as up:
        up.says("Gatewatch runs")
        until(lambda: "partition claimed" in up.said, "a detector at work")
        for child in (*up.children("detector"), *up.children("notifier")):
            assert not listening(child)


def listening(pid: int) -> set[str]:
    """The sockets on which a process listens."""
    rows = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    rows += Path(f"/proc/{pid}/net/tcp6").read_text().splitlines()[1:]
    inodes = {row.split()[9] for row in rows if row.split()[3] == "0A"}
    held = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    return {inode for inode in inodes if f"socket:[{inode}]" in held}
