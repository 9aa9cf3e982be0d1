"""Who may call what: the one table. A route that is not in it stops the start (see `gate.guarded`).

A router file beside this one makes its routes; its rows stand here, under the name that `--serve` knows it by.
"""

from typing import Literal

from gatewatch.access_ports import Permission

#: What a route asks of its caller. `public`: nothing; `session`: a person's own session, whatever it may otherwise.
Needs = Permission | Literal["public", "session"]

ROUTES: dict[str, Needs] = {
    # In every process
    "GET /healthz": "public",
    "GET /readyz": "public",
    "GET /openapi.json": "read",
    # People, in sessions.py
    "POST /v1/session": "public",
    "GET /v1/session": "session",
    "DELETE /v1/session": "session",
    "DELETE /v1/sessions": "session",
    "POST /v1/account/password": "session",
    # Admins, in keys.py
    "GET /v1/keys": "admin",
    "POST /v1/keys": "admin",
    "DELETE /v1/keys/{prefix}": "admin",
    # What there is to see, in queries.py
    "GET /v1/events": "read",
    "GET /v1/events/{event_id}": "read",
    "GET /v1/anomalies": "read",
    "GET /v1/anomalies/{id}": "read",
    "GET /v1/users": "read",
    "GET /v1/users/{user}": "read",
    "GET /v1/entities/{kind}/{value}": "read",
    "GET /v1/dead-letters": "read",
    "GET /v1/overview/series": "read",
    "GET /v1/overview/top/{kind}": "read",
    "GET /v1/overview/backlog": "read",
    # How the system is doing, in system.py
    "GET /v1/health": "read",
    "GET /v1/detectors": "read",
    # What is stored, as it is stored, in stream.py
    "GET /v1/stream": "read",
    # What people say of anomalies, in triage.py
    "GET /v1/anomalies/{id}/history": "read",
    "PATCH /v1/anomalies/{id}": "triage",
    "POST /v1/anomalies/statuses": "triage",
    # Programs, in events.py
    "POST /v1/events": "ingest",
    "POST /v1/ingest/{connector}": "ingest",
    # Applications whose logins wait, in decisions.py
    "POST /v1/decisions": "decide",
    "PATCH /v1/decisions/{id}": "decide",
    # The web app, in ui.py: a shell and files, the same for everybody
    "GET /{path:path}": "public",
}
