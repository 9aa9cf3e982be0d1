"""What an application is told: verdict and mode, partial scores, reasons, ids."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.core import attributes, decisions, risk
from gatewatch.core.decisions import Decision, Device
from gatewatch.core.engine import Engine
from gatewatch.core.events import User
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.signals import Action, Assessment, Signal
from gatewatch.detectors import default_engine
from tests.builders import START, daily, failure, learn, login

ENFORCE = Policy(mode="enforce", revision=7)


def signal(code: str, strength: float, *attack: str) -> Signal:
    """A signal."""
    return Signal(detector=code, code=code, strength=strength, attack=attack, evidence={"km": 1})


def judged(*signals: Signal, policy: Policy = DEFAULT, notes: tuple[str, ...] = ()) -> Assessment:
    """An assessment of these signals."""
    score, ranked = risk.combine(signals) if signals else (0, ())
    return Assessment(
        score=score,
        level=risk.level_of(score, policy),
        action=risk.action_of(score, policy),
        signals=ranked,
        notes=notes,
    )


def told(assessment: Assessment, policy: Policy = DEFAULT, enrolled: bool | None = None) -> Decision:
    """The decision on a login of alice."""
    event = login(START, user="alice")
    event = msgspec.structs.replace(event, user=User(name="alice", mfa_enrolled=enrolled))
    return decisions.verdict(
        event, assessment, policy, id="dec_1", device=None, degraded=(), model=None, took_ms=3
    )


@pytest.mark.parametrize(("strength", "verdict"), [(0.2, "allow"), (0.6, "challenge"), (0.95, "deny")])
def test_in_monitor_mode_everything_is_allowed(strength: float, verdict: Action) -> None:
    """The verdict is what the policy says of the score; it is the answer in enforce mode only."""
    found = judged(signal("new_device", strength, "T1078"))
    assert (told(found).action, told(found).would_action) == ("allow", verdict)
    assert (told(found, ENFORCE).action, told(found, ENFORCE).would_action) == (verdict, verdict)
    assert told(found, ENFORCE).policy == decisions.PolicyUsed("default", 7, "enforce")


@pytest.mark.parametrize(
    ("strength", "enrolled", "factors"),
    [
        (0.6, None, ("webauthn", "totp")),
        (0.6, True, ("webauthn", "totp")),
        (0.6, False, ("email_code",)),
        (0.1, True, None),
        (0.95, True, None),
    ],
)
def test_a_challenge_asks_for_what_the_user_has(
    strength: float, enrolled: bool | None, factors: tuple[str, ...] | None
) -> None:
    """Factors are suggested with a challenge only; a user without any gets a code by mail."""
    challenge = told(judged(signal("x", strength)), enrolled=enrolled).challenge
    assert (challenge.suggested if challenge is not None else None) == factors


def test_partial_scores_are_of_what_speaks_for_each_attack() -> None:
    """A signal counts where its technique belongs, in both where it names both; one of neither in the whole alone."""
    takeover, force = signal("new_country", 0.5, "T1078.004"), signal("brute_force", 0.4, "T1110.001")
    both, other = signal("account_takeover", 0.3, "T1110", "T1078"), signal("theirs", 0.2, "T9999")
    found = told(judged(takeover, force, both, other))
    assert found.scores == {
        "account_takeover": risk.combine([takeover, both])[0],
        "credential_attack": risk.combine([force, both])[0],
    }
    assert found.score == risk.combine([takeover, force, both, other])[0]


@given(st.lists(st.floats(0.0, 1.0), max_size=6))
def test_reasons_add_up(strengths: list[float]) -> None:
    """Whatever the signals, the points of the reasons are the score, and what was missing has none."""
    signals = [signal(f"s{n}", strength) for n, strength in enumerate(strengths)]
    found = told(judged(*signals, notes=("first_login", "no_geo")))
    assert sum(reason.contribution for reason in found.reasons) == found.score
    assert [reason.code for reason in found.reasons[-2:]] == ["first_login", "no_geo"]
    assert all(reason.text.endswith(".") for reason in found.reasons[-2:])


def test_what_failed_and_what_was_missing_is_named() -> None:
    """`degraded` names detectors that failed and then what the state lacked."""
    assessment = Assessment(score=0, level="none", degraded=("new_device",))
    found = decisions.verdict(
        login(START),
        assessment,
        DEFAULT,
        id=None,
        device=Device("d", True),
        degraded=["geo", "state_lag"],
        model=decisions.model_of(default_engine()),
        took_ms=0,
    )
    assert found.degraded == ("new_device", "geo", "state_lag")
    assert found.decision_id is None
    assert found.model == decisions.Model("freeman", "1")
    assert decisions.model_of(Engine(())) is None


def test_an_answer_survives_its_bytes() -> None:
    """The bytes that are kept tell all of the decision again."""
    found = told(judged(signal("new_country", 0.6, "T1078"), notes=("no_geo",)), ENFORCE)
    assert decisions.decode(decisions.encode(found)) == found


def test_a_device_is_new_until_it_was_used() -> None:
    """A device of the user's is known, another is new, and without anything to tell by there is none."""
    profile, event = learn(daily(5)), login(START)

    def device(changed: dict[str, object]) -> Device | None:
        seen = msgspec.structs.replace(event, **changed)
        return decisions.device_of(profile, seen, attributes.values_of(seen), DEFAULT)

    assert device({}) == Device("Windows/Desktop/Chrome", False)
    assert device({"device_id": "mine"}) == Device("mine", True)
    assert device({"ua": None}) is None


def test_an_attempt_is_assessed_as_a_login() -> None:
    """Only what is neither success nor failure yet is taken for the login it would become."""
    attempt = msgspec.structs.replace(login(START), outcome="unknown")
    assert decisions.as_login(attempt) == login(START)
    assert decisions.as_login(failure(START)).outcome == "failure"


@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_ids_are_of_tenant_and_event(tenant: str, event: str, other_tenant: str, other_event: str) -> None:
    """The same tenant and event have the same decision, any other pair another; an event leads back to it."""
    id = decisions.decision_id(tenant, event)
    assert (id == decisions.decision_id(other_tenant, other_event)) == (
        (tenant, event) == (other_tenant, other_event)
    )
    assert decisions.decision_of(tenant, event) == id
    assert decisions.decision_of(tenant, decisions.login_id(id)) == id
    assert decisions.challenge_id(id, event) != decisions.challenge_id(id, decisions.login_id(id))
