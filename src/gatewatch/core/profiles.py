"""What is known of one user: facts in any order, trust that can be taken back.

*Facts* (logins by event time, failures in windows) are the same whatever order events came in, within the lateness.
*Trust* (weights of the values a user logs in with) is integer counts only, so that a verdict can subtract what a
login taught. `learning.apply` is the only function that changes a profile; assessing never does.
"""

from typing import Final

import msgspec

from gatewatch.core.counts import Counts
from gatewatch.core.times import DAY

VERSION = 1

#: What a profile counts a login by, in this order; a value of "" is unknown and not counted.
ATTRIBUTES = ("ip", "prefix", "asn", "country", "ua", "browser", "os", "device", "hour")
IP: Final = 0
PREFIX: Final = 1
ASN: Final = 2
COUNTRY: Final = 3
UA: Final = 4
BROWSER: Final = 5
OS: Final = 6
DEVICE: Final = 7
HOUR_OF_WEEK: Final = 8
#: The most values kept per attribute; the one least recently and least often seen makes room.
MAX_VALUES = (24, 16, 12, 12, 16, 8, 8, 12, 168)

#: How far behind a user's newest event another may come and still open windows.
LATENESS: Final = DAY
#: The last logins kept, by event time; the failure minutes, failure days and failing addresses a day keeps.
MAX_LOGINS: Final = 8
MAX_MINUTES: Final = 180
MAX_MINUTE_SOURCES: Final = 16
MAX_DAYS: Final = 9
MAX_DAY_SOURCES: Final = 64
#: Logins that are held (on probation or revoked), and the longest probation a policy may ask for.
MAX_HELD: Final = 16
MAX_PROBATION: Final = 30 * DAY
#: How long failures are kept behind the newest event: the longest window (7 days) and the lateness.
FAILURE_HORIZON: Final = 8 * DAY
#: The most weight logins of one user, address and hour may teach.
MAX_HOURLY_WEIGHT: Final = 3
#: The addresses of one hour that may teach; a user who comes from more teaches nothing new by it.
MAX_HOUR_SOURCES = 16
MAX_HOURS: Final = 64

#: Degrees are kept as integers of 1e-4 (about 11 m).
DEGREE: Final = 10_000


class Login(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A success in the ring of the last ones: when (µs), which event, from where. `lat`, `lon` in 1e-4 degrees."""

    time: int
    ref: bytes
    ip: str
    lat: int | None
    lon: int | None
    accuracy_km: int
    country: str
    asn: int
    kind: str
    device: str

    @property
    def point(self) -> tuple[float, float] | None:
        """(lat, lon) in degrees, or None where the place is unknown."""
        if self.lat is None or self.lon is None:
            return None
        return self.lat / DEGREE, self.lon / DEGREE


class Held(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A login whose weight is withheld: on probation (little weight until `time` + probation), or revoked (none)."""

    ref: bytes
    time: int
    weight: int
    values: tuple[str, ...]
    revoked: bool = False


class FailureDay(msgspec.Struct, array_like=True, gc=False):
    """One UTC day's failures: tries, and per address (the smallest hashes, a bottom-k) [tries, asn, country]."""

    tries: int = 0
    sources: dict[str, tuple[int, int, str]] = msgspec.field(default_factory=dict)


class Profile(msgspec.Struct, array_like=True, gc=False):
    """The state of one user, stored as one versioned MessagePack value of about 1 kB."""

    version: int = VERSION
    newest: int = 0
    successes: int = 0
    first_success: int = 0
    total: Counts = msgspec.field(default_factory=list)
    values: list[dict[str, Counts]] = msgspec.field(default_factory=lambda: [{} for _ in ATTRIBUTES])
    logins: list[Login] = msgspec.field(default_factory=list)
    held: list[Held] = msgspec.field(default_factory=list)
    minutes: dict[int, dict[str, int]] = msgspec.field(default_factory=dict)
    days: dict[int, FailureDay] = msgspec.field(default_factory=dict)
    hours: dict[int, dict[str, int]] = msgspec.field(default_factory=dict)

    @property
    def has_history(self) -> bool:
        """Whether the user ever got in; without, there are failure windows that expire, and no profile."""
        return self.successes > 0


#: The stored bytes of a profile. Equal profiles give equal bytes: `apply` keeps every mapping in the order of its keys.
encode = msgspec.msgpack.Encoder().encode
#: The profile of its stored bytes.
decode = msgspec.msgpack.Decoder(Profile).decode
