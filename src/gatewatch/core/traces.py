"""An anomaly's message in the outbox may carry the trace of its strongest event, beside what the anomaly is."""

import msgspec


class _Carrying(msgspec.Struct):
    event_id: str = ""
    trace: str = ""


_decode = msgspec.json.Decoder(_Carrying).decode


def carrying(value: bytes, trace: str) -> bytes:
    """An anomaly's JSON with a trace (a W3C `traceparent`) in it."""
    return value[:-1] + b',"trace":"' + trace.encode() + b'"}'


def carried(value: bytes) -> tuple[str, str]:
    """The id of an anomaly's strongest event, and the trace that its JSON carries; "" for none."""
    found = _decode(value)
    return found.event_id, found.trace
