"""Spans of a detector's batches: one for the batch, and one in the trace of each of its events that is recorded.

A batch holds events of many traces, so it is a trace of its own that links to theirs; and each event's trace is whole
without looking elsewhere. What is published because of an event is told its trace through the outbox.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

from gatewatch.core.traces import carried, carrying
from gatewatch.ports import ANOMALIES, Batch, LogRecord, TenantKey
from gatewatch.services.batches import BatchMaker
from gatewatch.services.partition import Partition
from gatewatch.tracing_ports import SAMPLED, Tracing

#: The most events of a batch that are told of.
MOST = 64


class TracedMaker(BatchMaker, frozen=True, kw_only=True):
    """Makes batches, and tells of those that hold events whose trace is recorded."""

    tracing: Tracing

    def make(
        self,
        partition: Partition,
        owned: Iterable[Partition],
        found: Sequence[LogRecord],
        refused: int | None = None,
    ) -> Batch:
        """See `BatchMaker`."""
        began = self.clock.now()
        batch = BatchMaker.make(self, partition, owned, found, refused)
        traced = {record.offset: record.trace for record in found if record.trace.endswith(SAMPLED)}
        if traced:
            self._tell(batch, dict(islice(traced.items(), MOST)), len(found), began)
        return batch

    def _tell(self, batch: Batch, traced: dict[int, str], records: int, began: int) -> None:
        whole = self.tracing.begin("assess batch", "consumer", links=list(traced.values()), since=began)
        rows = {row.offset: row for row in batch.events}
        traces: dict[TenantKey, str] = {}
        for offset, trace in traced.items():
            span = self.tracing.begin("assess", "consumer", trace, [whole.trace], began)
            row = rows.get(offset)
            if row is None:  # stored already, or no event
                span.end(gatewatch__offset=offset)
                continue
            traces[row.tenant_id, row.event_id] = span.trace
            span.end(gatewatch__offset=offset, gatewatch__tenant=row.tenant_id, gatewatch__event=row.event_id)
        whole.end(gatewatch__partition=batch.claim.part, gatewatch__records=records)
        _hand_on(batch, traces)


def _hand_on(batch: Batch, traces: dict[TenantKey, str]) -> None:
    """Put the trace of an anomaly's strongest event into its message, where that event is of this batch."""
    for n, message in enumerate(batch.outgoing):
        if message.topic != ANOMALIES:
            continue
        trace = traces.get((message.tenant_id, carried(message.value)[0]))
        if trace is not None:
            batch.outgoing[n] = message._replace(value=carrying(message.value, trace))
