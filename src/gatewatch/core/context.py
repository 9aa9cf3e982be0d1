"""What the owner of a user cannot know alone, as numbers stored with the event (about 100 bytes).

With the user's state and the event, it determines the assessment: replaying both with the stored contexts gives
the same bytes.
"""

import msgspec


class SourceNumbers(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A source as of the event's time: failures in 10 minutes, an hour, a day; distinct users and unknown names in
    the hour; the detector of the strongest finding open at that time ("" without one).
    """

    failures_10m: int = 0
    failures_1h: int = 0
    failures_1d: int = 0
    users_1h: int = 0
    unknown_1h: int = 0
    finding: str = ""


QUIET = SourceNumbers()


class Frequencies(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How often the tenant's successful logins had this event's values: the seven levels of the models, and N."""

    ip: int = 0
    asn: int = 0
    country: int = 0
    ua: int = 0
    browser: int = 0
    os: int = 0
    device: int = 0
    total: int = 0


NO_FREQUENCIES = Frequencies()


class Context(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Policy revision, the sources of the event, the tenant's frequencies, raw outputs of batched models by name."""

    policy: int = 0
    ip: SourceNumbers = QUIET
    prefix: SourceNumbers = QUIET
    asn: SourceNumbers = QUIET
    tenant: SourceNumbers = QUIET
    frequencies: Frequencies = NO_FREQUENCIES
    models: dict[str, float] = {}


EMPTY = Context()

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Context).decode
