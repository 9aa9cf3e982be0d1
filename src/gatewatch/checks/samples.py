"""Seeded samples: events of a few users with any field missing, and the situations they are assessed in."""

from collections.abc import Collection, Iterator
from random import Random
from typing import get_args

import msgspec

from gatewatch.core import assessing, learning
from gatewatch.core.context import EMPTY, Context, Frequencies, SourceNumbers
from gatewatch.core.engine import Engine
from gatewatch.core.events import Asn, Geo, LoginEvent, Outcome, ReasonClass, User, UserAgent
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.profiles import Profile
from gatewatch.core.situation import Situation
from gatewatch.core.times import DAY, SECOND

START = 20_000 * DAY

_OPTIONAL = ("user", "ip", "geo", "asn", "ua", "device_id", "session_id", "auth", "app", "reason", "extra")


def generate(seed: int, count: int, users: int = 6) -> list[LoginEvent]:
    """`count` events of a few users within a day: successes, failures and the rest; any field may be missing."""
    random = Random(seed)
    return [_event(random, i, random.randrange(users)) for i in range(count)]


def _event(random: Random, number: int, user: int) -> LoginEvent:
    home = random.random() < 0.7
    place = user if home else random.randrange(50)
    outcomes: tuple[Outcome, ...] = get_args(Outcome)
    outcome = random.choices(outcomes, (50, 45, 3, 2))[0]
    event = LoginEvent(
        event_id=f"event-{number}",
        tenant_id="checks",
        time=START + random.randrange(DAY),
        source="checks",
        outcome=outcome,
        reason_class=random.choice(get_args(ReasonClass)) if outcome == "failure" else None,
        user=User(name=f"user-{user}"),
        ip=f"192.0.2.{place}" if place % 2 else f"2001:db8::{place:x}",
        geo=Geo(
            f"{'NDFS'[place % 4]}{'OEIG'[place % 4]}", lat=place * 1.5, lon=place * 3.0, accuracy_km=20.0
        ),
        asn=Asn(64_500 + place % 5, kind=random.choice(("isp", "mobile", "hosting", "vpn", ""))),
        ua=UserAgent(f"agent {place % 7}", f"browser {place % 3}", "1", f"os {place % 2}", "1", "device"),
        device_id=f"device-{place}",
    )
    return _without(event, [name for name in _OPTIONAL if random.random() < 0.05])


def _without(event: LoginEvent, names: Collection[str]) -> LoginEvent:
    fields = {name: getattr(event, name) for name in LoginEvent.__struct_fields__ if name not in names}
    return LoginEvent(**fields)


def bare_events() -> Iterator[LoginEvent]:
    """Events with everything optional absent, and events with one optional field absent at a time."""
    for outcome in ("success", "failure"):
        whole = msgspec.structs.replace(
            _event(Random(1), 0, 1), outcome=outcome, reason_class="bad_credentials"
        )
        yield _without(whole, (*_OPTIONAL, "reason_class"))
        for name in (*_OPTIONAL, "reason_class"):
            yield _without(whole, (name,))


def context(random: Random) -> Context:
    """What a busy tenant and a source under suspicion look like."""
    n = random.randrange(100)
    source = SourceNumbers(n, n, n, n // 2, n // 3, random.choice(("", "password_spraying")))
    tenant = msgspec.convert([*(random.randrange(50) for _ in range(7)), 50], Frequencies)
    return Context(ip=source, prefix=source, frequencies=tenant)


def situations(seed: int, count: int, policy: Policy = DEFAULT) -> Iterator[Situation]:
    """The events of `generate` and the bare ones, each against the profile that its user's earlier events left."""
    random = Random(seed)
    recorder, known = Engine(detectors=()), dict[str, Profile]()
    for event in (*bare_events(), *generate(seed, count)):
        profile = known.setdefault(event.user_key, Profile())
        given = context(random) if random.random() < 0.5 else EMPTY
        yield assessing.situate(profile, event, given, policy)
        learning.apply(profile, recorder.step(profile, event, given, policy)[1])


def many(entities: int, policy: Policy) -> Iterator[Situation]:
    """One login each of so many users, from as many addresses."""
    profile = Profile()
    for i in range(entities):
        event = LoginEvent(
            event_id=str(i),
            tenant_id="checks",
            time=START + i * SECOND,
            source="checks",
            outcome="success" if i % 2 else "failure",
            reason_class=None if i % 2 else "bad_credentials",
            user=User(name=f"user-{i}"),
            ip=f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}",
            device_id=f"device-{i}",
        )
        yield assessing.situate(profile, event, EMPTY, policy)
