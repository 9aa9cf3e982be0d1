"""The normalised login event, in the vocabulary of OCSF Authentication (class 3002, schema 1.8.0).

An adapter in `gatewatch.ingest` makes one of any vendor's record; enrichment adds place, network and client.
From then on it never changes: it is stored as it was assessed.
"""

from typing import Any, Literal

import msgspec

from gatewatch.core.keys import user_key

OCSF_SCHEMA = "1.8.0"

Activity = Literal["logon", "logoff", "mfa", "lockout", "factor_change", "session", "token"]
Outcome = Literal["success", "failure", "challenge", "unknown"]
ReasonClass = Literal[
    "bad_credentials",
    "unknown_user",
    "locked",
    "disabled",
    "expired",
    "mfa_denied",
    "mfa_timeout",
    "policy",
    "config",
    "other",
]

#: "Failure" is not one thing: only these feed attack counters; `config` and `policy` never do.
ATTACK_REASONS: frozenset[str] = frozenset({"bad_credentials", "unknown_user", "mfa_denied", "mfa_timeout"})

#: What happened to an event on its way in. Flags say it; nothing is changed in silence.
Flag = Literal[
    "time_clamped",
    "year_resolved",
    "zone_assumed",
    "user_truncated",
    "ua_truncated",
    "text_truncated",
    "extra_dropped",
    "geo_invalid",
    "no_geo",
]

#: What a tenant may be called.
TENANT = "[A-Za-z0-9._-]{1,64}"
#: The longest user agent that is kept and parsed, in characters (longer ones are cut and flagged).
MAX_USER_AGENT = 512
#: The longest name, id or other short text that is kept, in characters (longer ones are cut).
MAX_TEXT = 256
#: The most of `extra` that is kept, in bytes of MessagePack; a larger one is dropped and flagged (`raw` has it all).
MAX_EXTRA = 16_384


class User(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who tried to log in, as the source names them. Texts are as received, cleaned; never case-folded."""

    id: str = ""
    name: str = ""
    email: str = ""
    mfa_enrolled: bool | None = None
    groups: tuple[str, ...] = ()


class Geo(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where the address is. `country` is ISO 3166-1 alpha-2; `accuracy_km` the radius of the claim in km."""

    country: str = ""
    region: str = ""
    city: str = ""
    lat: float | None = None
    lon: float | None = None
    accuracy_km: float = 0.0


class Asn(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Whose network it is. `kind`: isp, mobile, hosting, vpn, tor, relay, satellite, anycast, business or ""."""

    number: int = 0
    org: str = ""
    kind: str = ""


class UserAgent(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The client: the raw header (cut to `MAX_USER_AGENT`) and its families, versions kept apart."""

    raw: str = ""
    browser: str = ""
    browser_version: str = ""
    os: str = ""
    os_version: str = ""
    device: str = ""


class Auth(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How: the method (`password`, `publickey` …), further factors, the protocol."""

    method: str = ""
    factors: tuple[str, ...] = ()
    protocol: str = ""
    is_mfa: bool | None = None


class App(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Into what."""

    id: str = ""
    name: str = ""


class LoginEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One authentication event.

    `time` is event time in microseconds (see `times`), `ip` a plain IPv4 or IPv6 address without port or zone,
    or "" where the source names none. `extra` keeps what has no field here.
    """

    event_id: str
    tenant_id: str
    time: int
    source: str
    activity: Activity = "logon"
    outcome: Outcome
    reason: str = ""
    reason_class: ReasonClass | None = None
    user: User = User()
    ip: str = ""
    port: int = 0
    hostname: str = ""
    geo: Geo | None = None
    asn: Asn | None = None
    ua: UserAgent | None = None
    device_id: str = ""
    session_id: str = ""
    auth: Auth | None = None
    app: App | None = None
    flags: tuple[Flag, ...] = ()
    extra: dict[str, Any] = {}

    @property
    def user_key(self) -> str:
        """What partitions and profiles go by: name, else id, else `@ip:<address>` (which has no profile)."""
        return user_key(self.user.name, self.user.id, self.ip)

    @property
    def is_attack_failure(self) -> bool:
        """Whether the event feeds attack counters."""
        return self.outcome == "failure" and self.reason_class in ATTACK_REASONS

    @property
    def is_success(self) -> bool:
        """Whether somebody got in: the only kind of event that teaches a profile what is normal."""
        return self.outcome == "success" and self.activity in (
            "logon",
            "session",
            "token",
        )


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(LoginEvent).decode
