"""What the decision routes say of themselves in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from gatewatch.api.openapi import Operation, problem
from gatewatch.core.decisions import POLICY
from gatewatch.core.signals import Action, Kind, Level
from gatewatch.ingest.decisions import ChallengeResult, LoginResult, NativeDecision, Report

_ID = "dec_5f0c3e0d8f6a4b1e9c7d2a3b4c5d6e7f"
_REQUEST: dict[str, Any] = {
    "event_id": "login-4711",
    "type": "login",
    "stage": "post_auth",
    "outcome": "success",
    "occurred_at": "2026-11-22T10:00:00Z",
    "user": {"id": "u1", "name": "alice", "mfa_enrolled": True},
    "context": {"ip": "203.0.113.7", "user_agent": "Mozilla/5.0", "device_id": "d1"},
    "auth": {"method": "password", "protocol": "oidc"},
    "app": {"id": "portal"},
    "policy": "default",
    "dry_run": False,
}
_ANSWER: dict[str, Any] = {
    "decision_id": _ID,
    "event_id": "login-4711",
    "action": "allow",
    "would_action": "challenge",
    "score": 73,
    "level": "high",
    "scores": {"account_takeover": 73, "credential_attack": 0},
    "reasons": [
        {
            "code": "impossible_travel",
            "kind": "rule",
            "contribution": 73,
            "text": "The user signed in from 203.0.113.7 (Sydney, AU) 12 minutes after a login from Oslo, NO.",
            "evidence": {"km": 15940, "minutes": 12},
            "attack": ["T1078.004"],
        }
    ],
    "challenge": {"suggested": ["webauthn", "totp"]},
    "policy": {"id": "default", "revision": 7, "mode": "monitor"},
    "device": {"id": "d1", "new": True},
    "degraded": [],
    "failover": False,
    "model": {"name": "freeman", "version": "1"},
    "took_ms": 3,
}


def _object(properties: dict[str, Any], *optional: str, **more: Any) -> Operation:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties, **more}


def _maybe(schema: Operation) -> Operation:
    return {"oneOf": [schema, {"type": "null"}]}


def _one_of(values: Any, description: str = "") -> Operation:
    return {
        "type": "string",
        "enum": [*get_args(values)],
        **({"description": description} if description else {}),
    }


def _read_as(shape: type, **narrower: Operation) -> Operation:
    """The schema of what a body is read as; some properties hold less than their type. Unknown ones are allowed."""
    _, shapes = msgspec.json.schema_components([shape], ref_template="{name}")
    found: Operation = _in_place(shapes[shape.__name__], shapes)
    return {**found, "properties": {**found["properties"], **narrower}}


def _in_place(schema: Any, shapes: Mapping[str, Any]) -> Any:
    """A schema with what it refers to in place, without what only decoders want to know."""
    if isinstance(schema, list):
        return [_in_place(one, shapes) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _in_place(shapes[schema["$ref"]], shapes)
    said = {name: value for name, value in schema.items() if name not in _OF_DECODERS}
    return {name: _in_place(value, shapes) for name, value in said.items()}


_OF_DECODERS = {"title", "default", "required", "additionalProperties"}
_TEXT = {"type": "string"}
_SCORE = {"type": "integer", "minimum": 0, "maximum": 100}
_REASON = _object(
    {
        "code": {"type": "string", "description": "Stable; also what was missing, such as first_login."},
        "kind": _one_of(Kind),
        "contribution": {"type": "integer", "description": "Points of the score."},
        "text": _TEXT,
        "evidence": {"type": "object", "additionalProperties": True},
        "attack": {"type": "array", "items": _TEXT, "description": "ATT&CK techniques."},
    }
)
_DECISION = _object(
    {
        "decision_id": _maybe({"type": "string", "description": "Null for a dry run."}),
        "event_id": _TEXT,
        "action": _one_of(Action, "What to do; in monitor mode allow."),
        "would_action": _one_of(Action, "The verdict, whatever the mode."),
        "score": _SCORE,
        "level": _one_of(Level),
        "scores": _object({"account_takeover": _SCORE, "credential_attack": _SCORE}),
        "reasons": {"type": "array", "items": _REASON},
        "challenge": _maybe(_object({"suggested": {"type": "array", "items": _TEXT}})),
        "policy": _object(
            {
                "id": _TEXT,
                "revision": {"type": "integer"},
                "mode": {"type": "string", "enum": ["monitor", "enforce"]},
            }
        ),
        "device": _maybe(_object({"id": _TEXT, "new": {"type": "boolean"}})),
        "degraded": {"type": "array", "items": _TEXT, "description": "What had to be done without."},
        "failover": {"type": "boolean", "description": "Always false here; clients answer true themselves."},
        "model": _maybe(_object({"name": _TEXT, "version": _TEXT})),
        "took_ms": {"type": "integer"},
    }
)
_OUTCOME = _object(
    {
        "decision_id": _TEXT,
        "event_id": _TEXT,
        "login": _maybe(_one_of(LoginResult)),
        "challenge": _maybe(_one_of(ChallengeResult)),
    }
)
_ASKED = _read_as(
    NativeDecision,
    outcome={"type": "string", "enum": ["attempted", "success", "failure"]},
    policy={"enum": [POLICY, None]},
) | {
    "description": "A native event with outcome, time, and a user or an address, and how it is to be decided on.",
    "required": ["outcome"],
    "anyOf": [{"required": ["occurred_at"]}, {"required": ["time"]}],
}
_REPORT = _read_as(
    Report,
    reason={"type": "string", "description": "Why the login failed."},
) | {"description": "Either or both of login and challenge; the login ended at `occurred_at`, or now."}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A login without an id gets the same one when the request is sent again under the same key.",
    "schema": {"type": "string", "maxLength": 256},
}


def _json(schema: Operation, example: Any) -> Operation:
    return {"application/json": {"schema": schema, "example": example}}


_PROBLEMS: Operation = {
    "409": problem("the id was decided on, or reported on, otherwise"),
    "415": problem("another type or encoding"),
    "422": problem("a value is not what it must be"),
    "503": problem("not durable: nothing was decided; fall back or ask again"),
}

WRITTEN: dict[str, Operation] = {
    "POST /v1/decisions": {
        "tags": ["decisions"],
        "operationId": "decide",
        "summary": "Decide on a login",
        "description": "The login is recorded as well. The same event_id and body get the same answer, byte for byte.",
        "parameters": [_KEY],
        "requestBody": {"required": True, "content": _json(_ASKED, _REQUEST)},
        "responses": {
            "200": {"description": "The decision; it is durable.", "content": _json(_DECISION, _ANSWER)},
            **_PROBLEMS,
        },
    },
    "PATCH /v1/decisions/{id}": {
        "tags": ["decisions"],
        "operationId": "report_result",
        "summary": "Report how a login or its challenge ended",
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": _TEXT, "example": _ID},
        ],
        "requestBody": {"required": True, "content": _json(_REPORT, {"challenge": "passed"})},
        "responses": {
            "200": {
                "description": "What is known now; the same report again changes nothing.",
                "content": _json(
                    _OUTCOME,
                    {"decision_id": _ID, "event_id": "login-4711", "login": None, "challenge": "passed"},
                ),
            },
            "404": problem("no such decision"),
            **_PROBLEMS,
        },
    },
}
