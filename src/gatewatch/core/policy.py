"""The policy: every threshold, in one versioned value. The defaults are peers' published figures (see each detector).

A revision never changes once stored; each event keeps the revision it was assessed by.
"""

from typing import Annotated, Literal

import msgspec

from gatewatch.core.times import DAY, HOUR, MINUTE

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
#: Whether decisions are answered by their verdict, or only told what it would be.
Mode = Literal["monitor", "enforce"]


class DetectorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What every detector has: whether it is asked at all, and a weight."""

    enabled: bool = True
    #: Multiplies every strength of the detector.
    weight: Share = 1.0


class BruteForce(DetectorSettings, frozen=True):
    """Failures on an account, or by a source, within `window` (µs). Auth0: 10 per id and IP; fail2ban: 5 in 10 min."""

    failures: Positive = 10
    window: Positive = 10 * MINUTE
    #: An account attacked from more addresses than this is `distributed_brute_force`.
    sources: Positive = 4


class DistributedBruteForce(DetectorSettings, frozen=True):
    """One account, many sources. Elastic's Okta rule (30 min), and slowly over a week."""

    window: Positive = 30 * MINUTE
    sources: Positive = 5
    failures: Positive = 10
    countries: Positive = 2
    asns: Positive = 3
    many_sources: Positive = 8
    slow_days: Positive = 7
    slow_sources: Positive = 20
    slow_failures: Positive = 20


class AccountTakeover(DetectorSettings, frozen=True):
    """A success after an attack. Fewer failures than `typing_errors` are a person's own."""

    failures: Positive = 10
    typing_errors: Positive = 5
    window: Positive = 10 * MINUTE


class ImpossibleTravel(DetectorSettings, frozen=True):
    """Faster than a plane, farther than `distance_km`, less both accuracy radii. Panther 900 km/h, Elastic 500 km."""

    speed_kmh: Positive = 900
    distance_km: Positive = 500


class NewCountry(DetectorSettings, frozen=True):
    """A country the user never succeeded from, once `history` logins are known."""

    history: Positive = 3


class NewDevice(DetectorSettings, frozen=True):
    """A client whose device, browser family and operating system the user never used."""

    history: Positive = 3


class UnusualTime(DetectorSettings, frozen=True):
    """An hour of the week, ± `spread`, that is rare for the user: below `share` of the uniform expectation."""

    history: Positive = 20
    spread: Positive = 2
    share: Share = 0.15


class DormantAccount(DetectorSettings, frozen=True):
    """The first success after a long silence. tirreno: 30, 90, 365 days."""

    days: Positive = 30
    long_days: Positive = 90
    very_long_days: Positive = 365


class LoginRisk(DetectorSettings, frozen=True):
    """The smoothed Freeman likelihood ratio: its strength is a logistic of (llr - midpoint) / scale, at most `most`."""

    history: Positive = 2
    midpoint: float = 9.0
    scale: Annotated[float, msgspec.Meta(gt=0.0)] = 1.5
    most: Share = 0.75


class PasswordSpraying(DetectorSettings, frozen=True):
    """Elastic, 1 h: users ≥ 5, tries ≥ 15, 2 ≤ most per user ≤ 8, ≥ 60% of users in the band, lasting ≥ 5 min.

    The slow form is the same over a day, with more users.
    """

    window: Positive = HOUR
    users: Positive = 5
    tries: Positive = 15
    least_max: Positive = 2
    most_max: Positive = 8
    band: tuple[int, int] = (2, 6)
    band_share: Share = 0.6
    lasting: Positive = 5 * MINUTE
    slow_window: Positive = DAY
    slow_users: Positive = 20
    slow_tries: Positive = 25
    slow_most_max: Positive = 8


class CredentialStuffing(DetectorSettings, frozen=True):
    """Elastic, 15 min per IP: tries ≥ 25, users ≥ 15, mostly ≤ 2 per user, some of them unknown."""

    window: Positive = 20 * MINUTE
    tries: Positive = 25
    users: Positive = 15
    per_user: float = 2.0
    unknown_share: Share = 0.05


class AccountEnumeration(DetectorSettings, frozen=True):
    """Many unknown user names from one source. CrowdSec's user-enum."""

    window: Positive = HOUR
    unknown: Positive = 10


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """All thresholds. Times are µs.

    A signal of `open_strength` opens an anomaly; so does an event of `open_score` under its strongest signal. A
    success with `flag_score`, or one that is challenged or denied in `enforce` mode, is learnt on probation. `levels`
    are the least scores of low, medium, high, critical. In `monitor` mode decisions always allow and say what the
    verdict would be.
    """

    revision: int = 0
    mode: Mode = "monitor"
    levels: tuple[int, int, int, int] = (20, 40, 70, 90)
    challenge_score: int = 50
    deny_score: int = 85
    open_strength: Share = 0.3
    open_score: int = 20
    flag_score: int = 40
    probation: Annotated[int, msgspec.Meta(ge=1, le=30 * DAY)] = 7 * DAY
    #: A source's failures by users who also get in from there are their own typing errors, up to this many tries.
    explained_tries: Positive = 9
    #: How far before an attack the successes that explain a source's failures may lie.
    explained_before: Positive = 7 * DAY
    brute_force: BruteForce = BruteForce()
    distributed_brute_force: DistributedBruteForce = DistributedBruteForce()
    account_takeover: AccountTakeover = AccountTakeover()
    impossible_travel: ImpossibleTravel = ImpossibleTravel()
    new_country: NewCountry = NewCountry()
    new_device: NewDevice = NewDevice()
    unusual_time: UnusualTime = UnusualTime()
    dormant_account: DormantAccount = DormantAccount()
    login_risk: LoginRisk = LoginRisk()
    password_spraying: PasswordSpraying = PasswordSpraying()
    credential_stuffing: CredentialStuffing = CredentialStuffing()
    account_enumeration: AccountEnumeration = AccountEnumeration()


DEFAULT = Policy()

encode = msgspec.json.Encoder(order="sorted").encode
decode = msgspec.json.Decoder(Policy).decode
