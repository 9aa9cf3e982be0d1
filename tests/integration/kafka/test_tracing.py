"""Spans on a real broker: a login is one trace from the request that brought it to what is published of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gatewatch.core.times import SECOND, isoformat
from gatewatch.ports import ANOMALIES
from tests.builders import at
from tests.integration.kafka.rig import OnKafka
from tests.support.commands import Commands, until

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SENT = f"00-{TRACE}-{CALLER}-01"


class Collector:
    """A collector that keeps the spans it is sent as OTLP over HTTP, by the service that sent them."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """Take an export."""
                assert self.path == "/v1/traces"
                assert self.headers["Content-Type"] == "application/x-protobuf"
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(ExportTraceServiceRequest.FromString(body))
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Keep what an export holds."""
        for resource in request.resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [(names["service.name"], span) for span in scope.spans]

    def named(self, name: str) -> list[tuple[str, Span]]:
        """The spans of a name, with their services."""
        return [found for found in list(self.spans) if found[1].name == name]

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector for as long as a test runs."""
    found = Collector()
    yield found
    found.close()


class System:
    """Every service as a process of its own, on a broker and a database."""

    def __init__(self, on: OnKafka, folder: Path, **more: str) -> None:
        self.on = on
        self._folder = folder
        self.operator = Commands(
            folder,
            GATEWATCH_DATABASE_URL=on.conninfo,
            GATEWATCH_KAFKA_BOOTSTRAP=on.settings.kafka_bootstrap,
            GATEWATCH_KAFKA_PREFIX=on.settings.kafka_prefix,
            OTEL_BSP_SCHEDULE_DELAY="200",
            **more,
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """Run all of them; gives the API's address."""
        with contextlib.ExitStack() as stack:
            api = stack.enter_context(self.operator.running("api", "--serve", "ingest"))
            for name in ("detector", "notifier"):
                stack.enter_context(self.operator.running(name))
            api.says("the API listens")
            said = next(line for line in api.said.splitlines() if "the API listens" in line)
            yield str(json.loads(said)["url"])

    def key(self) -> str:
        """A new API key that may send events."""
        done = self.operator.run("keys", "create", "app", "--scope", "ingest")
        assert done.returncode == 0, done.stderr
        return next(word for word in done.stdout.split() if word.startswith("gwk_"))


def failures(n: int) -> list[dict[str, Any]]:
    """A brute force: failures of one user, seconds apart; the last one may open an anomaly."""
    start = at("2026-03-02 08:00:00")
    return [
        {
            "event_id": f"e-{i}",
            "occurred_at": isoformat(start + i * SECOND),
            "outcome": "failure",
            "reason": "bad_password",
            "user": "alice",
            "ip": "203.0.113.7",
        }
        for i in range(n)
    ]


def headers_of(message: Message) -> dict[str, str]:
    """A message's headers."""
    headers: Any = message.headers()
    return {name: value.decode() for name, value in headers or ()}


def attributes(span: Span) -> dict[str, Any]:
    """A span's attributes."""
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def traces_of(found: Iterable[tuple[str, Span]]) -> set[str]:
    """The traces of spans."""
    return {span.trace_id.hex() for _, span in found}


def test_a_login_is_one_trace(on_kafka: OnKafka, tmp_path: Path, collector: Collector) -> None:
    """A caller's trace goes on through the request, the record, the assessment and the message on the anomalies'
    topic, each span the child of the one before, from three processes; the batch is a trace of its own and linked.
    """
    system = System(on_kafka, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    with system.running() as url:
        headers = {"Authorization": f"Bearer {system.key()}", "traceparent": SENT}
        sent = httpx.post(f"{url}/v1/events", json=failures(40), headers=headers)
        assert sent.status_code == 202
        until(lambda: TRACE in traces_of(collector.named("publish")), "the span of a publication")
        until(lambda: len(collector.named("assess")) >= 40, "the spans of assessments")
    # All have ended and told everything: a later version of the anomaly may have been published meanwhile.
    topic = on_kafka.settings.kafka_prefix + ANOMALIES
    messages = on_kafka.consumed(topic, len(collector.named("publish")))
    (record, *_) = on_kafka.consumed(on_kafka.topic, 40)
    ((api, ingest),) = collector.named("ingest")
    assert (ingest.trace_id.hex(), ingest.parent_span_id.hex()) == (TRACE, CALLER)
    assert headers_of(record) == {"traceparent": f"00-{TRACE}-{ingest.span_id.hex()}-01"}

    assessed = {attributes(span)["gatewatch.event"]: span for _, span in collector.named("assess")}
    assert set(assessed) == {f"e-{i}" for i in range(40)}
    assert {(s.trace_id.hex(), s.parent_span_id) for s in assessed.values()} == {(TRACE, ingest.span_id)}
    batches = [span for _, span in collector.named("assess batch")]
    links = {link.span_id for span in batches for link in span.links}
    assert links == {ingest.span_id}
    assert TRACE not in {span.trace_id.hex() for span in batches}

    notifier, published = next(
        found for found in collector.named("publish") if found[1].trace_id.hex() == TRACE
    )
    assert published.parent_span_id in {span.span_id for span in assessed.values()}
    told = attributes(published)
    ours = [
        f"00-{TRACE}-{published.span_id.hex()}-01",
        told["cloudevents.event_id"],
        told["gatewatch.anomaly"],
    ]
    names = ("traceparent", "ce_id", "ce_subject")
    assert ours in [[headers_of(one)[name] for name in names] for one in messages]
    assert {api, notifier} == {"gatewatch-api", "gatewatch-notifier"}
    assert {service for service, _ in collector.named("assess")} == {"gatewatch-detector"}
    assert "alice" not in str(collector.spans)
    assert "203.0.113.7" not in str(collector.spans)


def test_what_is_not_sampled_is_not_told(on_kafka: OnKafka, tmp_path: Path, collector: Collector) -> None:
    """A caller that does not record its trace gets no spans, and everything works; the record carries the trace."""
    system = System(on_kafka, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    with system.running() as url:
        headers = {"Authorization": f"Bearer {system.key()}", "traceparent": f"00-{TRACE}-{CALLER}-00"}
        assert httpx.post(f"{url}/v1/events", json=failures(5), headers=headers).status_code == 202
        on_kafka.eventually("SELECT count(*)::int FROM login_events", 5)
        (record, *_) = on_kafka.consumed(on_kafka.topic, 5)
    told = headers_of(record)["traceparent"]
    assert told.startswith(f"00-{TRACE}-")
    assert told.endswith("-00")
    assert collector.spans == []


def test_a_collector_that_is_away(on_kafka: OnKafka, tmp_path: Path) -> None:
    """Spans that nobody takes are dropped; logins are taken and judged all the same."""
    system = System(on_kafka, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    with system.running() as url:
        headers = {"Authorization": f"Bearer {system.key()}", "traceparent": "no trace"}
        assert httpx.post(f"{url}/v1/events", json=failures(5), headers=headers).status_code == 202
        on_kafka.eventually("SELECT count(*)::int FROM login_events", 5)


def test_nothing_is_imported_unasked() -> None:
    """Without a collector named nothing of OpenTelemetry is loaded (but its API, by the web framework); with one it
    is.
    """
    program = """
import sys
from gatewatch import bootstrap, bootstrap_kafka, bootstrap_tracing, connector, worker
alone = [name for name in sys.modules if name.startswith("opentelemetry")]
import gatewatch.api.app
found = bootstrap_tracing.tracing("api")
print(alone, found is not None, any(name.startswith("opentelemetry.sdk") for name in sys.modules))
"""

    def said(**more: str) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        done = subprocess.run(
            [sys.executable, "-c", program], env={**kept, **more}, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    named = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    assert said() == "[] False False"
    assert said(**named) == "[] True True"
    assert said(**named, OTEL_SDK_DISABLED="true") == "[] False False"
    assert said(**named, OTEL_TRACES_EXPORTER="none") == "[] False False"
