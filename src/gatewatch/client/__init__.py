"""The client of applications whose logins Gatewatch decides on.

    from gatewatch.client import Client, Context, Login, User

    gatewatch = Client("https://gatewatch.example.org", key, failover="allow")
    decision = gatewatch.decide(Login("success", User(name="alice"), Context(ip="203.0.113.7")))
    if decision.action == "deny": ...

`Client` blocks, `AsyncClient` awaits; both are otherwise the same. They need `httpx` and
nothing of the server.
"""

from gatewatch.client.async_client import AsyncClient
from gatewatch.client.shapes import (
    App,
    Auth,
    Challenge,
    Context,
    Decision,
    Device,
    Failover,
    GatewatchError,
    Login,
    Outcome,
    Policy,
    Reason,
    Receipt,
    Refused,
    Strategy,
    Unavailable,
    User,
)
from gatewatch.client.sync_client import Client

__all__ = [
    "App",
    "AsyncClient",
    "Auth",
    "Challenge",
    "Client",
    "Context",
    "Decision",
    "Device",
    "Failover",
    "GatewatchError",
    "Login",
    "Outcome",
    "Policy",
    "Reason",
    "Receipt",
    "Refused",
    "Strategy",
    "Unavailable",
    "User",
]
