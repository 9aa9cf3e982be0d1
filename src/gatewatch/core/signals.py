"""What detectors say, and what becomes of it: Signal, Assessment, Finding."""

from typing import Any, Literal

import msgspec

Kind = Literal["rule", "behavioral", "statistical", "learning"]
Level = Literal["none", "low", "medium", "high", "critical"]
Action = Literal["allow", "challenge", "deny"]

#: Which entity a finding, an anomaly or a count is about: its kind and its value ("" for the tenant).
Subject = tuple[str, str]


class Signal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What one detector saw in one event.

    `strength` is the probability-like weight in [0, 1] it adds; `evidence` the observed and the baseline values it
    was judged by (JSON values only); `contribution` its share of the score in points, filled in by `risk.combine`.
    Wording is rendered elsewhere (`gatewatch.core.wording`).
    """

    detector: str
    code: str
    kind: Kind = "rule"
    strength: float
    contribution: int = 0
    attack: tuple[str, ...] = ()
    evidence: dict[str, Any] = {}


class Assessment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The verdict on one event: a score of 0-100 that is the sum of its signals' contributions.

    `notes` are codes of what was missing ("no_history", "first_login", "no_geo"), never silent zeros;
    `degraded` names detectors and models that failed; `action` is the policy's verdict.
    """

    score: int
    level: Level
    action: Action = "allow"
    signals: tuple[Signal, ...] = ()
    notes: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()


class Finding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the review found about a source within one slot: all qualifying windows that begin in it.

    `slot` is the day's start, `first` and `last` the first and last failure (µs); `support` counts all failures of
    the buckets from `lo` to `hi`: when it shrinks, a bucket was deleted.
    """

    detector: str
    subject: Subject
    slot: int
    strength: float
    first: int
    last: int
    lo: int
    hi: int
    support: int
    attack: tuple[str, ...] = ()
    evidence: dict[str, Any] = {}


#: The stored JSON of an assessment: the same assessment always gives the same bytes.
encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Assessment).decode
