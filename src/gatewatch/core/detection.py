"""The contracts of detectors and models. `gatewatch.checks` holds the suites that each must pass.

A detector is handed values and returns a value; it changes nothing, keeps nothing and knows no clock.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from gatewatch.core.context import Context
from gatewatch.core.events import LoginEvent
from gatewatch.core.features import Features
from gatewatch.core.policy import Policy
from gatewatch.core.profiles import Profile
from gatewatch.core.signals import Finding, Signal, Subject
from gatewatch.core.sources import Buckets


class Situation(msgspec.Struct, frozen=True, gc=False):
    """One event and all that is known when it is assessed. Detectors read it and never change it."""

    event: LoginEvent
    profile: Profile
    context: Context
    features: Features
    policy: Policy
    ref: bytes
    late: bool = False


class Detector(Protocol):
    """One threat to a user, seen in one event (`step`).

    `id` is also the name of its settings in `Policy` where it has any; `outcomes` says which events it looks at.
    """

    id: str
    attack: tuple[str, ...]
    outcomes: frozenset[str]

    def assess(self, situation: Situation) -> Signal | None:
        """The signal, or None. Raises only by mistake: the assessment is then marked degraded."""
        ...


class DoubtDetector(Protocol):
    """What a finding on a source means for a success that came from it."""

    id: str

    def doubt(self, situation: Situation, finding: Mapping[str, Any]) -> Signal | None:
        """The signal for a login that `finding` (its evidence, with `detector` and `subject`) casts doubt on."""
        ...


class SourceDetector(Protocol):
    """One threat by a source, seen over all its failures (`review`). `kinds` are the subjects it looks at."""

    id: str
    attack: tuple[str, ...]
    kinds: frozenset[str]

    def review(
        self,
        subject: Subject,
        buckets: Buckets,
        explained: frozenset[int],
        policy: Policy,
    ) -> list[Finding]:
        """All findings over every window position, one per slot.

        `explained` holds the hashes of users who also got in from there: their few failures are typing errors.
        """
        ...


class Model(Protocol):
    """A score learnt from data: rows of features in, one raw number each out; higher is stranger."""

    name: str
    version: str
    feature_version: int
    features: tuple[str, ...]

    def score_many(self, rows: Sequence[Sequence[float]]) -> list[float]:
        """One finite raw output per row, the same for the same row whatever stands beside it."""
        ...
