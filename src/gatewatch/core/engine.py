"""The engine: what happens to a user (`step`, `judge`) and what a source does (`review`). Values in, values out."""

import msgspec

from gatewatch.core import assessing
from gatewatch.core.assessing import Asked
from gatewatch.core.context import Context
from gatewatch.core.detection import (
    Detector,
    DoubtDetector,
    SourceDetector,
    StoredLogin,
)
from gatewatch.core.events import LoginEvent
from gatewatch.core.learning import Change
from gatewatch.core.policy import Policy
from gatewatch.core.profiles import Profile
from gatewatch.core.records import ControlRecord
from gatewatch.core.signals import Assessment, Finding, Subject
from gatewatch.core.sources import Buckets


class Engine(msgspec.Struct, frozen=True):
    """The detectors in force. Two pure functions decide; nothing here remembers anything."""

    detectors: tuple[Detector, ...]
    doubts: tuple[DoubtDetector, ...] = ()
    sources: tuple[SourceDetector, ...] = ()

    def step(
        self,
        profile: Profile | None,
        event: LoginEvent,
        context: Context,
        policy: Policy,
        values: tuple[str, ...] | None = None,
        asked: Asked | None = None,
    ) -> tuple[Assessment, Change]:
        """Assess an event against its user's state; the change is carried out by `learning.apply`, not here.

        `values` are the event's (`attributes.values_of`), `asked` the policy's, for callers that have them already.
        """
        wanted = asked if asked is not None else self.asked(policy)
        return assessing.step(wanted, profile, event, context, policy, values)

    def asked(self, policy: Policy) -> Asked:
        """The detectors that a policy asks."""
        settings = [(detector, getattr(policy, detector.id, None)) for detector in self.detectors]
        on = [
            (found, 1.0 if own is None else own.weight)
            for found, own in settings
            if own is None or own.enabled
        ]
        return {
            outcome: tuple(one for one in on if outcome in one[0].outcomes)
            for outcome in ("success", "failure")
        }

    def judge(
        self,
        profile: Profile,
        control: ControlRecord,
        login: StoredLogin | None,
        policy: Policy,
    ) -> tuple[Assessment | None, Change]:
        """What a control record does: to trust, and, for a doubt, whether it is a takeover."""
        return assessing.judge(self.doubts, profile, control, login, policy)

    def review(
        self,
        subject: Subject,
        buckets: Buckets,
        explained: frozenset[int],
        policy: Policy,
        failed: set[str] | None = None,
    ) -> list[Finding]:
        """All findings on a source over every window position, whatever order its failures came in.

        With `failed`, the id of a detector that raises is added there and the others go on; its findings are then
        unknown, not none.
        """
        return assessing.review(self.sources, subject, buckets, explained, policy, failed)
