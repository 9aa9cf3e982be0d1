"""What is known when one event is assessed. Plain classes, not structs: compiled, their fields are read at once."""

from gatewatch.core.context import Context
from gatewatch.core.events import LoginEvent
from gatewatch.core.policy import Policy
from gatewatch.core.profiles import Profile


class Features:
    """An event against its user's trusted history, as of the event's time.

    `values` and `weights` run parallel to `ATTRIBUTES`: the event's value (or "") and its decayed trusted weight;
    `total` is the weight of all logins.
    """

    __slots__ = ("total", "values", "weights")

    def __init__(self, values: tuple[str, ...], weights: tuple[float, ...], total: float) -> None:
        self.values = values
        self.weights = weights
        self.total = total


class Situation:
    """One event and all that is known when it is assessed. Detectors read it and never change it.

    `success` is the event's `is_success`.
    """

    __slots__ = ("context", "event", "features", "late", "policy", "profile", "ref", "success")

    def __init__(
        self,
        event: LoginEvent,
        profile: Profile,
        context: Context,
        features: Features,
        policy: Policy,
        ref: bytes,
        late: bool = False,
    ) -> None:
        self.event = event
        self.profile = profile
        self.context = context
        self.features = features
        self.policy = policy
        self.ref = ref
        self.late = late
        self.success = event.is_success

    def with_profile(self, profile: Profile) -> "Situation":
        """The same with another profile: of the features it keeps the old."""
        return Situation(self.event, profile, self.context, self.features, self.policy, self.ref, self.late)

    def with_features(self, features: Features) -> "Situation":
        """The same with other features."""
        return Situation(self.event, self.profile, self.context, features, self.policy, self.ref, self.late)
