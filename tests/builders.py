"""Builders of events, profiles and situations, so that a test states only what it is about.

Everything happens to alice, who lives in Oslo and works from Monday 2 March 2026 on; addresses are documentation ones.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from gatewatch.core import assessing, engine, learning
from gatewatch.core.context import EMPTY, Context, SourceNumbers
from gatewatch.core.events import Asn, Geo, LoginEvent, User, UserAgent
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.profiles import Profile
from gatewatch.core.situation import Situation
from gatewatch.core.times import DAY, from_datetime

OSLO = Geo(country="NO", city="Oslo", lat=59.9139, lon=10.7522, accuracy_km=20.0)
BERGEN = Geo(country="NO", city="Bergen", lat=60.3913, lon=5.3221, accuracy_km=20.0)
BERLIN = Geo(country="DE", city="Berlin", lat=52.52, lon=13.405, accuracy_km=20.0)
LAGOS = Geo(country="NG", city="Lagos", lat=6.5244, lon=3.3792, accuracy_km=50.0)

BROADBAND = Asn(64_512, "Example Broadband", "isp")
CARRIER = Asn(64_513, "Example Mobile", "mobile")
VPN = Asn(64_514, "Example VPN", "vpn")
HOSTING = Asn(64_515, "Example Hosting", "hosting")
ABROAD = Asn(64_516, "Example Abroad", "isp")

CHROME = UserAgent(
    raw="Chrome/120 Windows", browser="Chrome", browser_version="120", os="Windows", device="Desktop"
)
SAFARI = UserAgent(
    raw="Safari/17 iPhone", browser="Mobile Safari", browser_version="17", os="iOS", device="iPhone"
)

HOME_IP = "192.0.2.10"
AWAY_IP = "198.51.100.77"


def at(text: str) -> int:
    """The event time (µs) of an ISO text such as `2026-03-30 16:01:36`, in UTC."""
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


START = at("2026-03-02 08:00:00")


def login(time: int, user: str = "alice", **changes: Any) -> LoginEvent:
    """A success from Oslo, home broadband, Chrome on Windows; `changes` replace fields."""
    return _event(time, user, "success", changes)


def failure(time: int, user: str = "alice", **changes: Any) -> LoginEvent:
    """A wrong password from the same place; `changes` replace fields."""
    return _event(time, user, "failure", {"reason_class": "bad_credentials", **changes})


def _event(time: int, user: str, outcome: str, changes: dict[str, Any]) -> LoginEvent:
    fields: dict[str, Any] = {
        "event_id": f"{user}-{outcome}-{time}-{changes.get('ip', HOME_IP)}",
        "tenant_id": "acme",
        "time": time,
        "source": "native",
        "outcome": outcome,
        "user": User(name=user),
        "ip": HOME_IP,
        "geo": OSLO,
        "asn": BROADBAND,
        "ua": CHROME,
    }
    return LoginEvent(**{**fields, **changes})


def daily(days: int, start: int = START, **changes: Any) -> list[LoginEvent]:
    """One login a day at the hour of `start`, nine minutes apart from day to day."""
    return [login(start + day * DAY + day % 5 * 540_000_000, **changes) for day in range(days)]


def burst(count: int, end: int, seconds: float = 2.0, **changes: Any) -> list[LoginEvent]:
    """`count` failures, one each `seconds`, the last one step before `end`."""
    step = round(seconds * 1_000_000)
    return [
        failure(end - step * (count - i), event_id=f"burst-{end}-{i}-{changes.get('ip', '')}", **changes)
        for i in range(count)
    ]


_RECORDER = engine.Engine(detectors=())


def learn(events: Iterable[LoginEvent], profile: Profile | None = None, policy: Policy = DEFAULT) -> Profile:
    """The profile after these events, all of them trusted (no detector looks at them)."""
    state = profile if profile is not None else Profile()
    for event in events:
        learning.apply(state, _RECORDER.step(state, event, EMPTY, policy)[1])
    return state


def situation(
    event: LoginEvent, history: Iterable[LoginEvent] = (), context: Context = EMPTY, policy: Policy = DEFAULT
) -> Situation:
    """An event against the profile its history leaves."""
    return assessing.situate(learn(history), event, context, policy)


def under(finding: str, failures: int = 100) -> Context:
    """A context in which the event's address has an open finding."""
    return Context(ip=SourceNumbers(failures, failures, failures, failures, 0, finding))
