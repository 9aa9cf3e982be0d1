"""Wording: one sentence from codes and evidence, whatever the evidence holds."""

from typing import Any

import pytest

from gatewatch.core import engine, wording
from gatewatch.core.anomalies import hits_of
from gatewatch.core.context import EMPTY, Context
from gatewatch.core.events import Geo, LoginEvent
from gatewatch.core.policy import DEFAULT
from gatewatch.core.signals import Signal
from gatewatch.core.times import DAY, MINUTE
from gatewatch.detectors import DETECTORS, SOURCE_DETECTORS, default_engine
from tests.builders import ABROAD, AWAY_IP, LAGOS, SAFARI, at, burst, daily, failure, learn, login, under

NOON = at("2026-04-06 12:00:00")
HISTORY = daily(30)
STRANGE: dict[str, Any] = {"ip": AWAY_IP, "geo": LAGOS, "asn": ABROAD, "ua": SAFARI}


def _sentences(event: LoginEvent, history: list[LoginEvent], context: Context = EMPTY) -> dict[str, str]:
    """The sentence of every signal, by detector."""
    system = engine.Engine(detectors=default_engine().detectors)
    assessment, _ = system.step(learn(history), event, context, DEFAULT)
    return {
        s.detector: wording.sentence(s.detector, "alice", s.evidence, code=s.code, time=event.time)
        for s in assessment.signals
    }


def test_takeover_after_a_burst_from_the_same_address() -> None:
    """The sentence says who, whence, when, after how many failures in how long, whatever is familiar."""
    said = _sentences(login(NOON), HISTORY + burst(147, NOON))["account_takeover"]
    assert said == (
        "alice signed in from 192.0.2.10 at 12:00:00 after 147 failed attempts in 5 minutes from the same address, "
        "although both are known to each other."
    )


def test_takeover_from_an_attacker() -> None:
    """A stranger from an address with an open finding is told with the finding."""
    said = _sentences(login(NOON, **STRANGE), HISTORY, under("credential_stuffing"))["account_takeover"]
    assert said == (
        "alice signed in from 198.51.100.77 at 12:00:00 while credential stuffing came from there, "
        "with an address and a device the user never had."
    )


def test_travel() -> None:
    """The sentence names both places, the distance, the time and the speed."""
    history = [*HISTORY, login(NOON - 20 * MINUTE)]
    said = _sentences(login(NOON, **STRANGE), history)["impossible_travel"]
    assert said.startswith(
        "alice signed in from 198.51.100.77 (Lagos, NG) at 12:00:00 20 minutes after a login from NO, "
    )
    assert "5,899 km away" in said
    assert said.endswith("km/h where 900 is possible.")


def test_brute_force_names_the_busiest_address() -> None:
    """Failures on an account are told with the address most of them came from and what is usual."""
    attack = burst(40, NOON, ip=AWAY_IP) + burst(4, NOON)
    said = _sentences(failure(NOON, ip=AWAY_IP), HISTORY + attack)["brute_force"]
    assert said == (
        "alice was tried with 45 failed attempts in 10 minutes from 2 addresses, the busiest "
        "198.51.100.77 (41); 0 a day are usual."
    )


@pytest.mark.parametrize(
    ("detector", "evidence", "said"),
    [
        (
            "brute_force",
            {"failures": 147, "users": 1, "first": NOON, "last": NOON + 8 * MINUTE, "window_s": 600},
            "203.0.113.9 made 147 failed attempts on 1 account in 8 minutes.",
        ),
        (
            "password_spraying",
            {"failures": 120, "users": 60, "max_per_user": 3, "first": NOON, "last": NOON + 3 * DAY},
            "203.0.113.9 tried 60 accounts with 120 failed attempts in 3 days, at most 3 each.",
        ),
        (
            "credential_stuffing",
            {"failures": 1096, "users": 1080, "max_per_user": 2, "unknown_users": 1, "window_s": 900},
            "203.0.113.9 tried 1,080 accounts with 1,096 failed attempts in 15 minutes, at most 2 each; "
            "1 of the names does not exist.",
        ),
        (
            "account_enumeration",
            {"unknown_users": 40, "window_s": 3600},
            "203.0.113.9 tried 40 names that do not exist in 1 hour.",
        ),
    ],
)
def test_findings_on_sources(detector: str, evidence: dict[str, Any], said: str) -> None:
    """A finding is about its source: how much, on how many, in how long."""
    assert wording.sentence(detector, "203.0.113.9", evidence, subject_kind="ip") == said


def test_an_anomaly_speaks_about_its_strongest_hit() -> None:
    """An anomaly's sentence has the time of its peak."""
    system = default_engine()
    event = login(NOON, **STRANGE)
    assessment, _ = system.step(learn(HISTORY), event, EMPTY, DEFAULT)
    hits = {hit.detector: hit for hit in hits_of(event, assessment, DEFAULT)}
    said = wording.of_anomaly(hits["new_country"])
    assert said == (
        "alice signed in from 198.51.100.77 at 12:00:00, for the first time in NG after 28 logins (usually NO)."
    )


def test_a_reason_is_about_the_user() -> None:
    """The reasons of one event need no name."""
    signal = Signal(detector="dormant_account", code="dormant_account", strength=0.2, evidence={"days": 1})
    assert wording.reason_text(signal) == "The user signed in after 1 day of silence."


KINDS = ("user", "ip", "prefix", "tenant", "")
NAMES = (*DETECTORS, *SOURCE_DETECTORS, "sim_swap")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("detector", NAMES)
def test_without_evidence(detector: str, kind: str) -> None:
    """Missing keys leave their part out: still one sentence, without blanks or None."""
    said = wording.sentence(detector, "" if kind == "tenant" else "bob", {}, subject_kind=kind)
    assert said.endswith(".")
    assert said == " ".join(said.split())
    assert "None" not in said


NONSENSE: tuple[Any, ...] = (
    None,
    True,
    "x" * 5_000,
    "a\nb\x1b[31m",
    float("nan"),
    float("inf"),
    10**400,
    -1,
    [],
    [None],
    {"a": 1},
    b"x",
)


@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("detector", NAMES)
def test_evidence_of_any_type(detector: str, value: object) -> None:
    """Values of any type under the known keys crash nothing, and nothing unprintable gets through."""
    keys = {
        *(
            "failures",
            "window_s",
            "sources",
            "top_source",
            "top_source_failures",
            "usual_per_day",
            "lasted_s",
        ),
        *(
            "finding",
            "known",
            "known_address",
            "known_device",
            "same_address",
            "same_address_failures",
            "time",
        ),
        *(
            "failure_sources",
            "asns",
            "countries",
            "km",
            "kmh",
            "minutes",
            "city",
            "country",
            "other_is",
            "suppressed",
        ),
        *(
            "usual",
            "usual_os",
            "browser",
            "os",
            "history",
            "hour",
            "usual_hour",
            "days",
            "terms",
            "raw",
            "midpoint",
        ),
        *("users", "unknown_users", "max_per_user", "first", "last", "address"),
    }
    for kind in KINDS:
        said = wording.sentence(detector, "bob", dict.fromkeys(keys, value), subject_kind=kind)
        assert said.isprintable()
        assert len(said) < 1_500


def test_every_detector_has_a_sentence_of_its_own() -> None:
    """No detector of this package falls back on the sentence for strangers."""
    for name in DETECTORS:
        assert not wording.sentence(name, "bob", {}).startswith("bob: ")
    for name in SOURCE_DETECTORS:
        assert not wording.sentence(name, "bob", {}, subject_kind="ip").startswith("bob: ")


def test_a_third_partys_code() -> None:
    """An unknown code is told in words with its first plain facts."""
    said = wording.sentence("sim_swap", "bob", {"carrier": "Example Mobile", "hours": 3, "raw": [1]})
    assert said == "bob: sim swap (carrier Example Mobile, hours 3)."


@pytest.mark.parametrize("time", [0, -5, 10**30])
def test_times_outside_the_calendar_are_left_out(time: int) -> None:
    """A time that no clock shows does not stand in the sentence."""
    assert " at " not in wording.sentence("dormant_account", "bob", {"days": 40}, time=time)


@pytest.mark.parametrize("note", ["first_login", "no_history", "no_geo", "not_a_login", "sim_unknown", ""])
def test_notes(note: str) -> None:
    """Every note is a sentence, a third party's too."""
    assert wording.note_text(note).endswith(".")


def test_degraded() -> None:
    """A failed detector is named."""
    assert "impossible_travel" in wording.degraded_text("impossible_travel")


def test_a_place_without_a_city() -> None:
    """A country alone is a place."""
    history = [*HISTORY, login(NOON - 20 * MINUTE)]
    geo = Geo(country="NG", lat=6.5, lon=3.4, accuracy_km=300.0)
    said = _sentences(login(NOON, ip=AWAY_IP, geo=geo, asn=ABROAD), history)["impossible_travel"]
    assert "198.51.100.77 (NG) at" in said
