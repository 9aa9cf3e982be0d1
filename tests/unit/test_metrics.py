"""The list of metrics: closed, bounded, and told per service."""

from __future__ import annotations

import re
from pathlib import Path

import prometheus_client
import pytest

from gatewatch import metrics
from gatewatch.core import decisions
from gatewatch.metrics import serving
from gatewatch.metrics.kinds import OTHER, AnyMetric, Counter, Gauge, Histogram, Label, Service
from gatewatch.services.decoding import REFUSED, UNDECODABLE

#: What Prometheus's conventions ask of a name: base units, and `_total` for what only grows.
_NAME = re.compile(r"^gatewatch_[a-z]+(_[a-z]+)*$")
_UNITS = ("milliseconds", "minutes", "hours", "kilobytes", "megabytes", "percent")
#: What would tell of somebody, or grow with what comes in.
_NEVER = {"user", "name", "email", "ip", "address", "prefix", "tenant", "id", "event", "path", "url"}


def series(metric: AnyMetric) -> dict[tuple[tuple[str, str], ...], float]:
    """The values of a counter or gauge by its labels."""
    samples = [sample for found in metric.collector.collect() for sample in found.samples]
    return {tuple(sorted(s.labels.items())): s.value for s in samples if not s.name.endswith("_created")}


@pytest.mark.parametrize("metric", metrics.METRICS, ids=lambda metric: metric.name)
def test_every_metric_keeps_to_the_conventions(metric: AnyMetric) -> None:
    """Names have base units, counters end in `_total`, labels tell of nobody and are bounded."""
    assert _NAME.match(metric.name)
    assert not any(unit in metric.name for unit in _UNITS)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.meaning.endswith(".")
    assert not _NEVER & {label.name for label in metric.labels}
    assert all(label.values or label.open for label in metric.labels)


def test_no_two_metrics_have_one_name() -> None:
    """Each name stands once, and nothing is counted that is not in the list."""
    names = [metric.name for metric in metrics.METRICS]
    assert len(names) == len(set(names)) > 30
    loose = (prometheus_client.Counter, prometheus_client.Gauge, prometheus_client.Histogram)
    assert not [name for name, found in vars(metrics).items() if isinstance(found, loose)]


def test_what_strangers_say_makes_no_series() -> None:
    """A closed label says `other` of a value it does not list, however many come."""
    counter = Counter[str]("test_things_total", "Things.", ("api",), Label("colour", ("red", OTHER)))
    for n in range(1_000):
        counter.add(f"<script>{n}")
    counter.add("red", by=2)
    assert series(counter) == {(("colour", "red"),): 2.0, (("colour", OTHER),): 1_000.0}


def test_a_listed_series_is_there_before_anything_happened() -> None:
    """The first of something is an increase from 0, not a series that appears."""
    counter = Counter[str, str](
        "test_first_total", "Firsts.", ("api",), Label("a", ("x", "y")), Label("b", ("1", "2"))
    )
    assert set(series(counter).values()) == {0.0}
    assert len(series(counter)) == 4


def test_what_is_no_longer_is_no_longer_told() -> None:
    """A gauge that is replaced has no series but the new ones."""
    gauge = Gauge[int]("test_level", "Levels.", ("api",), Label("partition", open="partitions"))
    gauge.replace({(0,): 7, (1,): 8})
    gauge.replace({(1,): 9})
    assert series(gauge) == {(("partition", "1"),): 9.0}


def test_a_time_is_taken_however_it_ends() -> None:
    """What fails is measured as well."""
    histogram = Histogram[()]("test_seconds", "Seconds.", ("api",))
    with pytest.raises(ZeroDivisionError), histogram.time():
        raise ZeroDivisionError
    (found,) = histogram.collector.collect()
    assert {s.name: s.value for s in found.samples}["test_seconds_count"] == 1


def test_the_labels_know_what_the_pipeline_says() -> None:
    """The codes that only the layers above know are in the lists."""
    (reason,) = metrics.DEAD_LETTERS.labels
    assert {UNDECODABLE, REFUSED, "too_old"} <= {*reason.values}
    (part,) = metrics.DECISIONS_DEGRADED.labels
    said = {decisions.STATE_LAG, decisions.NO_GEO, decisions.NO_VIEWS, decisions.NO_PROFILE}
    assert said <= {*part.values}


@pytest.mark.parametrize("service", ["api", "detector", "notifier"])
def test_a_service_tells_of_itself(service: Service) -> None:
    """Each service serves its own part of the list, and what is known of its process."""
    served = {found.name for found in serving.registry(service).collect()}
    ours = {metric.name.removesuffix("_total") for metric in metrics.METRICS if service in metric.services}
    assert {name for name in served if name.startswith("gatewatch_")} == ours
    assert "process_resident_memory_bytes" in served


@pytest.mark.parametrize(("text", "limit"), [("536870912\n", 536870912), ("max\n", 0), (f"{1 << 63}", 0)])
def test_the_memory_limit(tmp_path: Path, text: str, limit: int) -> None:
    """The control group's limit is told, and none where there is none."""
    (tmp_path / "memory.max").write_text(text)
    assert serving.memory_limit((tmp_path / "missing", tmp_path / "memory.max")) == limit
