"""The one feature function: training, replay and live scoring see the same numbers.

A model names the features it reads and `FEATURE_VERSION`; a mismatch refuses to load.
"""

from gatewatch.core import attributes, counts, history
from gatewatch.core.context import Context
from gatewatch.core.events import LoginEvent
from gatewatch.core.profiles import ASN, ATTRIBUTES, BROWSER, COUNTRY, DEVICE, IP, OS, UA, Profile
from gatewatch.core.situation import Features

FEATURE_VERSION = 1

#: The levels a likelihood ratio sums over, as indexes into `ATTRIBUTES`, in the order of `Frequencies`.
LEVELS: tuple[int, ...] = (IP, ASN, COUNTRY, UA, BROWSER, OS, DEVICE)

#: Per level: known (1/0), the user's weight of the value, the tenant's count of it; then the two totals.
NAMES: tuple[str, ...] = tuple(
    f"{name}_{part}" for name in (ATTRIBUTES[i] for i in LEVELS) for part in ("known", "user", "tenant")
)
NAMES += ("user_total", "tenant_total")


def compute(
    profile: Profile, event: LoginEvent, probation: int, values: tuple[str, ...] | None = None
) -> Features:
    """The features of an event against a profile; `values` are the event's, where the caller has them already."""
    if values is None:
        values = attributes.values_of(event)
    if not profile.total and not profile.held:
        return Features(values, _NONE, 0.0)
    if profile.held:
        time = event.time
        weights = [
            history.weight_at(profile, i, value, time, probation) if value else 0.0
            for i, value in enumerate(values)
        ]
        return Features(values, tuple(weights), history.total_at(profile, time, probation))
    bucket, read = counts.bucket_of(event.time), counts.read
    weights = []
    for i, known in enumerate(profile.values):
        found = known.get(values[i])
        if found is None:
            weights.append(0.0)
        elif len(found) == 2 and found[0] >= bucket:  # by far the most common: seen this month only
            weights.append(float(found[1]))
        else:
            weights.append(read(found, bucket))
    total = profile.total
    return Features(
        values,
        tuple(weights),
        float(total[1]) if len(total) == 2 and total[0] >= bucket else read(total, bucket),
    )


_NONE = (0.0,) * len(ATTRIBUTES)


def vector(features: Features, context: Context) -> list[float]:
    """The numbers a model reads, in the order of `NAMES`."""
    values, weights, tenant = features.values, features.weights, context.frequencies
    return [
        *(1.0 if values[IP] else 0.0, weights[IP], tenant.ip),
        *(1.0 if values[ASN] else 0.0, weights[ASN], tenant.asn),
        *(1.0 if values[COUNTRY] else 0.0, weights[COUNTRY], tenant.country),
        *(1.0 if values[UA] else 0.0, weights[UA], tenant.ua),
        *(1.0 if values[BROWSER] else 0.0, weights[BROWSER], tenant.browser),
        *(1.0 if values[OS] else 0.0, weights[OS], tenant.os),
        *(1.0 if values[DEVICE] else 0.0, weights[DEVICE], tenant.device),
        *(features.total, tenant.total),
    ]
