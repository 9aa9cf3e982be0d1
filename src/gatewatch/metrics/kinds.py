"""What a metric is: its name and meaning, who serves it, and labels whose values are known before anything is counted.

Labels are typed, so that a wrong number of them is found by mypy. Whatever strangers can influence is a closed label:
a value that it does not list is counted as `other`, so that no input makes series without end.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from time import perf_counter
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar, TypeVarTuple

import prometheus_client
from prometheus_client.metrics import MetricWrapperBase

Service = Literal["api", "detector", "notifier", "connector"]
Labels = TypeVarTuple("Labels")
Wrapped = TypeVar("Wrapped", bound=MetricWrapperBase)

#: What a closed label says of a value that it does not list.
OTHER = "other"


class Label(NamedTuple):
    """A label. Its `values` are all that there are, unless `open` says what bounds the others."""

    name: str
    values: tuple[str, ...] = ()
    open: str = ""

    def bounded(self, value: object) -> str:
        """What is said of a value."""
        text = str(value)
        return text if self.open or text in self.values else OTHER


class Metric(Generic[Wrapped, *Labels]):
    """A metric of the list. `services` are the processes that serve it, `collector` is what they serve."""

    kind: ClassVar[str]

    def __init__(self, collector: Wrapped, services: tuple[Service, ...], labels: tuple[Label, ...]) -> None:
        (family,) = collector.describe()
        self.name = f"{family.name}_total" if self.kind == "counter" else family.name
        self.meaning, self.services, self.labels = family.documentation, services, labels
        self.collector = collector
        self._series: dict[tuple[object, ...], Wrapped] = {} if labels else {(): collector}

    def _of(self, values: tuple[object, ...]) -> Wrapped:
        """The series of these values of the labels."""
        found = self._series.get(values)
        if found is None:
            pairs = zip(self.labels, values, strict=True)
            said = tuple(label.bounded(value) for label, value in pairs)
            found = self._series[said] = self.collector.labels(*said)
        return found


#: A metric, whatever its labels.
AnyMetric = Metric[Any, *tuple[Any, ...]]


class Counter(Metric[prometheus_client.Counter, *Labels]):
    """Counts what happened. Where the values of all labels are listed every series is there from the start, at 0: so
    the first of something shows as an increase.
    """

    kind = "counter"

    def __init__(self, name: str, meaning: str, services: tuple[Service, ...], *labels: Label) -> None:
        super().__init__(
            prometheus_client.Counter(name, meaning, _names(labels), registry=None), services, labels
        )
        for values in product(*(label.values for label in labels)):
            self._of(values)

    def add(self, *labels: *Labels, by: float = 1) -> None:
        """Count `by` more of them."""
        self._of(labels).inc(by)


class Gauge(Metric[prometheus_client.Gauge, *Labels]):
    """Says how much there is now."""

    kind = "gauge"

    def __init__(self, name: str, meaning: str, services: tuple[Service, ...], *labels: Label) -> None:
        super().__init__(
            prometheus_client.Gauge(name, meaning, _names(labels), registry=None), services, labels
        )

    def set(self, value: float, *labels: *Labels) -> None:
        """Say how much there is."""
        self._of(labels).set(value)

    def replace(self, found: Mapping[tuple[*Labels], float]) -> None:
        """Say all that there is: no other series is served any more."""
        self._series.clear()
        self.collector.clear()
        for labels, value in found.items():
            self.set(value, *labels)


class Histogram(Metric[prometheus_client.Histogram, *Labels]):
    """How large something was each time, by buckets."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        meaning: str,
        services: tuple[Service, ...],
        *labels: Label,
        buckets: tuple[float, ...] = prometheus_client.Histogram.DEFAULT_BUCKETS,
    ) -> None:
        collector = prometheus_client.Histogram(name, meaning, _names(labels), registry=None, buckets=buckets)
        super().__init__(collector, services, labels)

    def observe(self, value: float, *labels: *Labels) -> None:
        """Take one measurement."""
        self._of(labels).observe(value)

    @contextmanager
    def time(self, *labels: *Labels) -> Iterator[None]:
        """Measure the seconds that something takes, however it ends."""
        began = perf_counter()
        try:
            yield
        finally:
            self.observe(perf_counter() - began, *labels)


def _names(labels: tuple[Label, ...]) -> list[str]:
    return [label.name for label in labels]
