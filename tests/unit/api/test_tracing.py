"""The span of a request that brings events."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from gatewatch.api.problems import Problem, retry
from gatewatch.api.tracing import UNTRACED, ingesting
from tests.support.tracing import Recorder, Told


def ended(span: Told) -> bool:
    """Whether a span is over."""
    return span.attributes is not None


def test_the_callers_trace_goes_on() -> None:
    """The span is the child of what the caller names, and names itself to what comes after."""
    tracing = Recorder()
    with ingesting(tracing, Headers({"traceparent": "00-theirs-01"}), "native") as trace:
        (span,) = tracing.spans
        assert trace == span.trace
        assert not ended(span)
    assert (span.name, span.kind, span.parent) == ("ingest", "server", "00-theirs-01")
    assert span.error is None
    assert span.attributes == {"gatewatch__source": "native"}


@pytest.mark.parametrize(
    ("error", "told"), [(retry("overloaded"), True), (OSError(), True), (Problem("invalid"), False)]
)
def test_what_goes_wrong(error: Exception, told: bool) -> None:
    """A failure of ours is one of the span as well, and passes; a request that is refused is none."""
    tracing = Recorder()
    with pytest.raises(type(error)), ingesting(tracing, Headers(), "sshd"):
        raise error
    (span,) = tracing.spans
    assert (span.error is error) == told


def test_nothing_without_tracing() -> None:
    """Where no spans are recorded there is nothing to do, and no trace."""
    assert ingesting(None, Headers({"traceparent": "00-theirs-01"}), "native") is UNTRACED
    with UNTRACED as trace:
        assert trace == ""
