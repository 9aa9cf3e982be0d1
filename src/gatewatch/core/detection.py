"""The contracts of detectors and models. `gatewatch.checks` holds the suites that each must pass.

A detector is handed values and returns a value; it changes nothing, keeps nothing and knows no clock.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, Protocol

import msgspec

from gatewatch.core.events import LoginEvent
from gatewatch.core.policy import Policy
from gatewatch.core.signals import Finding, Signal, Subject
from gatewatch.core.situation import Situation
from gatewatch.core.sources import Buckets


class StoredLogin(msgspec.Struct, frozen=True, gc=False):
    """A login that is already stored: the event as assessed, the weight it taught, the detectors that signalled."""

    event: LoginEvent
    weight: int
    detectors: tuple[str, ...] = ()


class Detector(Protocol):
    """One threat to a user, seen in one event (`step`).

    `id` is also the name of its settings in `Policy` where it has any; `outcomes` says which events it looks at.
    """

    @property
    def id(self) -> str:
        """What its signals and findings are called."""
        ...

    @property
    def attack(self) -> tuple[str, ...]:
        """Techniques of MITRE ATT&CK."""
        ...

    @property
    def outcomes(self) -> frozenset[str]:
        """The outcomes of the events it looks at."""
        ...

    def assess(self, situation: Situation) -> Signal | None:
        """The signal, or None. Raises only by mistake: the assessment is then marked degraded."""
        ...


class DoubtDetector(Protocol):
    """What a finding on a source means for a success that came from it."""

    @property
    def id(self) -> str:
        """What its signals and findings are called."""
        ...

    def doubt(self, situation: Situation, finding: Mapping[str, Any]) -> Signal | None:
        """The signal for a login that `finding` (its evidence, with `detector` and `subject`) casts doubt on."""
        ...


class SourceDetector(Protocol):
    """One threat by a source, seen over all its failures (`review`). `kinds` are the subjects it looks at."""

    @property
    def id(self) -> str:
        """What its signals and findings are called."""
        ...

    @property
    def attack(self) -> tuple[str, ...]:
        """Techniques of MITRE ATT&CK."""
        ...

    @property
    def kinds(self) -> Set[str]:
        """The kinds of subjects it looks at."""
        ...

    def review(
        self,
        subject: Subject,
        buckets: Buckets,
        explained: frozenset[int],
        policy: Policy,
    ) -> Sequence[Finding]:
        """All findings over every window position, one per slot.

        `explained` holds the hashes of users who also got in from there: their few failures are typing errors.
        """
        ...


class Model(Protocol):
    """A score learnt from data: rows of features in, one raw number each out; higher is stranger."""

    @property
    def name(self) -> str:
        """What it is called in contexts and evidence."""
        ...

    @property
    def version(self) -> str:
        """Which one of that name."""
        ...

    @property
    def feature_version(self) -> int:
        """The `features.FEATURE_VERSION` it was made for."""
        ...

    @property
    def features(self) -> tuple[str, ...]:
        """The names of a row's numbers, in order."""
        ...

    def score_many(self, rows: Sequence[Sequence[float]]) -> list[float]:
        """One finite raw output per row, the same for the same row whatever stands beside it."""
        ...
