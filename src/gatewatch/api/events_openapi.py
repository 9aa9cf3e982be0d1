"""What the ingest routes say of themselves in the OpenAPI document."""

from typing import Any

from gatewatch.api.openapi import Operation, problem
from gatewatch.ingest.registry import ADAPTERS

_EVENT: dict[str, Any] = {
    "event_id": "a-1",
    "time": "2026-11-20T08:01:12Z",
    "outcome": "success",
    "user": {"id": "u1", "name": "alice"},
    "context": {"ip": "192.0.2.10", "user_agent": "Mozilla/5.0"},
}
_REJECTED = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["index", "type", "detail"],
        "properties": {
            "index": {"type": "integer", "description": "Of the item, from 0."},
            "type": {"type": "string", "description": "A stable reason code."},
            "detail": {"type": "string"},
        },
    },
}
_COUNTS = {
    "accepted": {"type": "integer", "description": "Durable in the log."},
    "duplicates": {"type": "integer", "description": "Repeats within this request."},
    "rejected": _REJECTED,
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Items without an id get the same ones when the request is sent again under the same key.",
    "schema": {"type": "string", "maxLength": 256},
}


def _receipt(properties: dict[str, Any]) -> Operation:
    schema = {"type": "object", "required": list(properties), "properties": properties}
    example: dict[str, Any] = {
        name: [] if name == "rejected" else int(name == "accepted") for name in properties
    }
    return {
        "description": "Durable, item by item.",
        "content": {"application/json": {"schema": schema, "example": example}},
    }


def _responses(receipt: Operation) -> Operation:
    return {
        "202": receipt,
        "400": problem("no gzip, or another host"),
        "413": problem("too many bytes or items"),
        "415": problem("another type or encoding"),
        "503": problem("not durable; send it again"),
    }


_OBJECT = {"type": "object", "additionalProperties": True}
_JSON = {"oneOf": [_OBJECT, {"type": "array", "items": _OBJECT}]}
_TEXT = {"schema": {"type": "string"}}

WRITTEN: dict[str, Operation] = {
    "POST /v1/events": {
        "tags": ["ingest"],
        "operationId": "send_events",
        "summary": "Send login events",
        "description": "One event, an array, lines, or CloudEvents around them; gzip is understood.",
        "parameters": [_KEY],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _JSON, "example": _EVENT},
                "application/x-ndjson": _TEXT,
                "application/cloudevents+json": {"schema": _JSON},
                "application/cloudevents-batch+json": {"schema": _JSON},
            },
        },
        "responses": {**_responses(_receipt(_COUNTS)), "422": problem("every item was rejected")},
    },
    "POST /v1/ingest/{connector}": {
        "tags": ["ingest"],
        "operationId": "send_records",
        "summary": "Send records of another format",
        "description": "As a file of that format would be read. What is rejected becomes a dead letter as well.",
        "parameters": [
            {
                "name": "connector",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "enum": list(ADAPTERS)},
            },
            _KEY,
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _JSON},
                "application/x-ndjson": _TEXT,
                "text/plain": _TEXT,
            },
        },
        "responses": {
            **_responses(_receipt({**_COUNTS, "ignored": {"type": "integer"}})),
            "404": problem("no such connector"),
            "422": problem("every item was rejected"),
        },
    },
}
