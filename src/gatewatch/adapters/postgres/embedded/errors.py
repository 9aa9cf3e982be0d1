"""What can stand in the way of an embedded server."""

from __future__ import annotations


class ServerError(Exception):
    """The embedded PostgreSQL cannot do what was asked; the message says why in one plain line."""


class BinariesMissing(ServerError):
    """No PostgreSQL that runs here and is recent enough was found."""


class WrongVersion(ServerError):
    """The data was written by another major version than the binaries are."""


class StartFailed(ServerError):
    """PostgreSQL ended instead of starting; the message holds what it said last."""


class StopFailed(ServerError):
    """PostgreSQL did not end in time."""
