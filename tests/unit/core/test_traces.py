"""Traces in the outbox: beside what an anomaly is, and no part of it."""

import pytest

from gatewatch.core import anomalies
from gatewatch.core.anomalies import Anomaly
from gatewatch.core.traces import carried, carrying

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("event_id", ["e-1", "", 'odd "id" ü'])
def test_a_trace_is_carried_beside(event_id: str) -> None:
    """An anomaly with a trace is the same anomaly, and both are read out of its bytes."""
    found = Anomaly(
        id="a",
        tenant_id="acme",
        subject_kind="user",
        subject="alice",
        detector="brute_force",
        slot=0,
        code="brute_force",
        severity="high",
        score=70,
        count=1,
        first_seen=0,
        last_seen=0,
        event_id=event_id,
    )
    value = anomalies.encode(found)
    assert carried(value) == (event_id, "")
    assert carried(carrying(value, TRACE)) == (event_id, TRACE)
    assert anomalies.decode(carrying(value, TRACE)) == found
