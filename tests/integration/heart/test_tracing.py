"""Spans of batches: told beside the batch, which is the same with them and without."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from gatewatch.core.traces import carried
from gatewatch.ports import ANOMALIES, Batch, LogRecord
from gatewatch.services.tracing import MOST, TracedMaker
from tests.builders import START, burst, daily
from tests.integration.heart.rig import Heart
from tests.support.tracing import Recorder

Trace = Callable[[int], str]


@pytest.fixture
def heart(database: str) -> Heart:
    """One detector of one partition."""
    return Heart(database, partitions=1)


def made(heart: Heart, tracing: Recorder, trace: Trace) -> Batch:
    """The next batch, of records that carry traces by their offset."""
    if not heart.owned:
        heart.claim()
    maker = TracedMaker(*msgspec.structs.astuple(heart.maker), tracing=tracing)
    partition = heart.owned[0]
    found = heart.store.read(partition.claim, 1_000)
    carrying = [LogRecord(one.offset, one.key, one.value, trace(one.offset)) for one in found]
    return maker.make(partition, heart.owned.values(), carrying)


def sampled(offset: int) -> str:
    """A trace that is recorded."""
    return f"00-{offset:032x}-{offset + 1:016x}-01"


def test_each_event_is_told_in_its_own_trace(heart: Heart) -> None:
    """A batch's span links to the traces of its events, and each of them has a span that links back, with ids alone;
    the anomaly's message carries the trace of its strongest event.
    """
    heart.send(*burst(20, START))
    tracing = Recorder()
    batch = made(heart, tracing, sampled)
    (whole,) = tracing.named("assess batch")
    spans = tracing.named("assess")
    rows = batch.events
    assert whole.parent == ""
    assert whole.links == [sampled(row.offset) for row in rows] == [span.parent for span in spans]
    assert {tuple(span.links) for span in spans} == {(whole.trace,)}
    assert whole.attributes == {"gatewatch__partition": 0, "gatewatch__records": 20}
    assert [span.attributes for span in spans] == [
        {
            "gatewatch__offset": row.offset,
            "gatewatch__tenant": row.tenant_id,
            "gatewatch__event": row.event_id,
        }
        for row in rows
    ]
    announced = [carried(message.value) for message in batch.outgoing if message.topic == ANOMALIES]
    assert announced
    by_event = {row.event_id: span.trace for row, span in zip(rows, spans, strict=True)}
    assert all(trace == by_event[event_id] for event_id, trace in announced)
    heart.commit(batch)
    heart.close()


def test_spans_are_bounded(heart: Heart) -> None:
    """However many events of a batch are recorded, so many are told of and linked to."""
    heart.send(*daily(MOST + 30))
    tracing = Recorder()
    made(heart, tracing, sampled)
    (whole,) = tracing.named("assess batch")
    assert len(whole.links) == len(tracing.named("assess")) == MOST
    assert whole.attributes == {"gatewatch__partition": 0, "gatewatch__records": MOST + 30}
    heart.close()


@pytest.mark.parametrize("trace", [lambda _: "", lambda _: "00-1-1-00", lambda _: "nonsense"])
def test_what_is_not_recorded_is_not_told(heart: Heart, trace: Trace) -> None:
    """Records without a trace, or with one that nobody records, have no spans, and their anomalies carry none."""
    heart.send(*burst(20, START))
    tracing = Recorder()
    batch = made(heart, tracing, trace)
    assert tracing.spans == []
    assert {carried(message.value)[1] for message in batch.outgoing} == {""}
    heart.close()


def test_what_is_stored_is_the_same(heart: Heart) -> None:
    """With spans or without, a batch stores the same; what was stored already has a span that names no event."""
    heart.send(*burst(20, START))
    heart.claim()
    plain = heart.make(0)
    assert plain is not None
    heart.claim()
    traced = made(heart, Recorder(), sampled)
    assert traced.events == plain.events
    assert traced.anomalies == plain.anomalies
    heart.commit(traced)
    heart.send(*burst(20, START))
    again = Recorder()
    assert made(heart, again, sampled).repeats == 20
    assert {tuple(span.attributes or ()) for span in again.named("assess")} == {("gatewatch__offset",)}
    heart.close()
