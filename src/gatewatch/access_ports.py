"""Who asks, what they may, and what the use cases of access need from the world, as Protocols and values."""

from typing import Literal, get_args

import msgspec

#: What a credential may: send events, ask for decisions, look, work on anomalies, administer.
Permission = Literal["ingest", "decide", "read", "triage", "admin"]
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)


class Principal(msgspec.Struct, frozen=True):
    """Whom a request speaks for: all a handler learns of its caller.

    `subject` is `account:<id>` or `key:<prefix>`; the tenant is the credential's, never a body's.
    """

    tenant: str
    subject: str
    permissions: frozenset[Permission]
