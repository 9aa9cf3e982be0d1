"""Ingest answers whatever is sent."""

from __future__ import annotations

import gzip
import json

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.http import problem

ODD = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["time", "outcome", "user", "ip", "data", "specversion", "x"]), inner
            )
        ),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode()),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ODD,
    st.sampled_from(["/v1/events", "/v1/ingest/native", "/v1/ingest/seed", "/v1/ingest/sshd"]),
    st.sampled_from(["application/json", "application/x-ndjson", "text/plain", "image/png", ""]),
    st.sampled_from(["", "gzip", "br"]),
)
def test_whatever_is_sent_is_answered_as_documented(
    app: httpx.Client, body: bytes, path: str, kind: str, encoding: str
) -> None:
    """No body, type or encoding is ever a 5xx, and each answer is a receipt or a problem."""
    headers = {"Content-Type": kind, **({"Content-Encoding": encoding} if encoding else {})}
    found = app.post(path, content=gzip.compress(body) if encoding == "gzip" else body, headers=headers)
    if found.status_code == 202:
        assert {"accepted", "duplicates", "rejected"} <= {*found.json()}
    else:
        assert found.status_code in (415, 422), found.text
        problem(found)
