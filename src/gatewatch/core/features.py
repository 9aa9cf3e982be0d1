"""The one feature function: training, replay and live scoring see the same numbers.

A model names the features it reads and `FEATURE_VERSION`; a mismatch refuses to load.
"""

import msgspec

from gatewatch.core import counts, profiles
from gatewatch.core.context import Context
from gatewatch.core.events import LoginEvent
from gatewatch.core.profiles import ATTRIBUTES, Profile

FEATURE_VERSION = 1

#: The levels a likelihood ratio sums over, as indexes into `ATTRIBUTES`, in the order of `Frequencies`.
LEVELS = (
    profiles.IP,
    profiles.ASN,
    profiles.COUNTRY,
    profiles.UA,
    profiles.BROWSER,
    profiles.OS,
    profiles.DEVICE,
)

#: Per level: known (1/0), the user's weight of the value, the tenant's count of it; then the two totals.
NAMES = tuple(
    f"{name}_{part}" for name in (ATTRIBUTES[i] for i in LEVELS) for part in ("known", "user", "tenant")
)
NAMES += ("user_total", "tenant_total")


class Features(msgspec.Struct, frozen=True, gc=False):
    """An event against its user's trusted history, as of the event's time.

    `values` and `weights` run parallel to `ATTRIBUTES`: the event's value (or "") and its decayed trusted weight;
    `total` is the weight of all logins.
    """

    values: tuple[str, ...]
    weights: tuple[float, ...]
    total: float


def compute(profile: Profile, event: LoginEvent, probation: int) -> Features:
    """The features of an event against a profile."""
    values = profiles.values_of(event)
    if not profile.total and not profile.held:
        return Features(values, _NONE, 0.0)
    time = event.time
    if profile.held:
        weights = tuple(
            profiles.weight_at(profile, i, value, time, probation) if value else 0.0
            for i, value in enumerate(values)
        )
    else:
        bucket, read = counts.bucket_of(time), counts.read
        weights = tuple(
            read(found, bucket) if (found := known.get(value)) else 0.0
            for known, value in zip(profile.values, values, strict=True)
        )
    return Features(values, weights, profiles.total_at(profile, time, probation))


_NONE = (0.0,) * len(ATTRIBUTES)


def vector(features: Features, context: Context) -> list[float]:
    """The numbers a model reads, in the order of `NAMES`."""
    tenant = msgspec.structs.astuple(context.frequencies)
    row: list[float] = []
    for i, level in enumerate(LEVELS):
        row += (
            1.0 if features.values[level] else 0.0,
            features.weights[level],
            tenant[i],
        )
    row += (features.total, tenant[-1])
    return row
