"""Simulated events in the native wire form (one JSON line each) and their labels."""

import msgspec

from gatewatch.core.events import App, Auth, LoginEvent, User
from gatewatch.core.times import isoformat
from gatewatch.simulator.labels import Label

_ENCODER = msgspec.json.Encoder()


class _Context(msgspec.Struct, frozen=True, omit_defaults=True):
    ip: str = ""
    user_agent: str = ""
    device_id: str = ""
    session_id: str = ""


class _Native(msgspec.Struct, omit_defaults=True):
    """The body of `POST /v1/events`; empty fields are left out."""

    event_id: str
    type: str
    outcome: str
    occurred_at: str
    reason: str = ""
    user: User = User()
    context: _Context = _Context()
    auth: Auth | None = None
    app: App | None = None


def native_json(event: LoginEvent) -> bytes:
    """One NDJSON line, with its newline.

    `type` is "login", or another activity's own name. The tenant is not in it: it belongs to the connection.
    """
    context = _Context(event.ip, event.ua.raw if event.ua else "", event.device_id, event.session_id)
    record = _Native(
        event_id=event.event_id,
        type="login" if event.activity == "logon" else event.activity,
        outcome=event.outcome,
        occurred_at=isoformat(event.time),
        reason=event.reason,
        user=event.user,
        context=context,
        auth=event.auth,
        app=event.app,
    )
    return _ENCODER.encode(record) + b"\n"


def label_json(label: Label) -> bytes:
    """One NDJSON line, with its newline."""
    return _ENCODER.encode(label) + b"\n"


def read_labels(data: bytes) -> list[Label]:
    """What `label_json` wrote, lines joined."""
    return [msgspec.json.decode(line, type=Label) for line in data.splitlines() if line]
