"""The OpenAPI document, and what the web app makes of it."""

from __future__ import annotations

import re
from collections import Counter
from itertools import chain

import msgspec
import pytest

from gatewatch.api.app import describe
from gatewatch.api.table import ROUTES
from gatewatch.detectors import DETECTORS, DOUBTS, SOURCE_DETECTORS
from gatewatch.ingest.decisions import NativeDecision, Report
from scripts.web_app import WEB

DOCUMENT = msgspec.json.decode(describe())
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}


def test_it_has_every_route_but_the_pages() -> None:
    """What can be called is in the document; the web app's files and the document itself are not part of the API."""
    assert ROUTES.keys() - OPERATIONS.keys() == {"GET /openapi.json", "GET /{path:path}"}


def test_operations_have_short_names_of_their_own() -> None:
    """Generated clients call each operation by one or a few words, each by others."""
    names = Counter(operation["operationId"] for operation in OPERATIONS.values())
    assert max(names.values()) == 1
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+){0,3}", name) for name in names)


@pytest.mark.parametrize(
    ("route", "name"),
    [
        ("GET /v1/events", "list_events"),
        ("DELETE /v1/keys/{prefix}", "revoke_key"),
        ("POST /v1/session", "log_in"),
    ],
)
def test_names_say_what_is_done(route: str, name: str) -> None:
    """A name is its handler's."""
    assert OPERATIONS[route]["operationId"] == name


def test_whoever_takes_a_body_says_how_large_and_slow_it_may_be() -> None:
    """408 and 413 are documented where there is a body, by whichever kind of route."""
    taking = {name: operation for name, operation in OPERATIONS.items() if "requestBody" in operation}
    assert {"POST /v1/session", "POST /v1/events", "PATCH /v1/anomalies/{id}"} <= taking.keys()
    assert all({"408", "413"} <= operation["responses"].keys() for operation in taking.values())


@pytest.mark.parametrize(
    ("route", "shape"), [("POST /v1/decisions", NativeDecision), ("PATCH /v1/decisions/{id}", Report)]
)
def test_bodies_that_are_read_by_hand_are_described_as_they_are_read(route: str, shape: type) -> None:
    """Each field of the type is there, with null where that is the same as leaving it out."""
    schema = OPERATIONS[route]["requestBody"]["content"]["application/json"]["schema"]
    assert [*schema["properties"]] == [field.name for field in msgspec.structs.fields(shape)]
    assert {"type": "null"} in schema["properties"]["occurred_at"]["anyOf"]
    assert "$ref" not in msgspec.json.encode(schema).decode()


def test_the_web_app_knows_the_detectors() -> None:
    """The detectors that the web app offers as a filter are those of the registry."""
    text = (WEB / "src" / "detectors.ts").read_text("utf-8")
    assert re.findall(r"^  '(\w+)',$", text, re.M) == sorted({*chain(DETECTORS, DOUBTS, SOURCE_DETECTORS)})
