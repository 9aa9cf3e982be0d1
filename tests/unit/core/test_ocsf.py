"""Anomalies as OCSF Detection Findings: valid by the pinned schema, whatever the evidence holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from gatewatch.core import ocsf
from gatewatch.core.anomalies import Anomaly, hits_of, of_finding
from gatewatch.core.context import EMPTY
from gatewatch.core.events import LoginEvent
from gatewatch.core.policy import DEFAULT
from gatewatch.core.signals import Finding, Level
from gatewatch.detectors import extended_engine
from tests.builders import ABROAD, AWAY_IP, LAGOS, SAFARI, START, at, burst, daily, failure, learn, login
from tests.support.ocsf import finding_schema

NOON = at("2026-04-06 12:00:00")
STRANGE: dict[str, Any] = {"ip": AWAY_IP, "geo": LAGOS, "asn": ABROAD, "ua": SAFARI}

_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    """The schema of the class, as it is pinned."""
    return finding_schema()


def ours() -> Iterator[Anomaly]:
    """An anomaly of each detector that judges users, and of one that judges sources."""
    history = [*daily(30), *burst(147, NOON)]
    for event in (login(NOON, **STRANGE), failure(NOON, **STRANGE), login(NOON + 90 * 86_400_000_000)):
        yield from _hits(event, history)
    finding = Finding(
        detector="password_spraying",
        subject=("prefix", "203.0.113.0/24"),
        slot=START,
        strength=0.7,
        first=START,
        last=NOON,
        lo=0,
        hi=1,
        support=120,
        attack=("T1110.003",),
        evidence={"failures": 120, "users": 60, "usual_per_day": 0.4},
    )
    yield of_finding("acme", finding, DEFAULT)


def _hits(event: LoginEvent, history: list[LoginEvent]) -> list[Anomaly]:
    policy = msgspec.structs.replace(DEFAULT, open_strength=0.01)
    assessment, _ = extended_engine().step(learn(history), event, EMPTY, policy)
    return hits_of(event, assessment, policy)


def _told(schema: Draft202012Validator, anomaly: Anomaly, **said: Any) -> dict[str, Any]:
    """The finding as a reader gets it, which must be valid."""
    found: dict[str, Any] = json.loads(msgspec.json.encode(ocsf.detection_finding(anomaly, **said)))
    problems = [error.message for error in schema.iter_errors(found)]
    assert not problems, problems
    return found


@pytest.mark.parametrize(
    "anomaly", list(ours()), ids=lambda anomaly: f"{anomaly.detector}-{anomaly.subject_kind}"
)
def test_ours_are_valid(schema: Draft202012Validator, anomaly: Anomaly) -> None:
    """What our detectors find is a valid Detection Finding with its sentence, subject, evidence and techniques."""
    found = _told(schema, anomaly)
    assert found["finding_info"]["uid"] == anomaly.id
    assert found["message"] == found["finding_info"]["desc"]
    assert anomaly.subject in json.dumps(found["observables"])
    assert found["evidences"][0]["data"] == json.loads(msgspec.json.encode(anomaly.evidence))
    assert found["finding_info"]["analytic"]["type_id"]
    techniques = [a.get("sub_technique", a["technique"])["uid"] for a in found["finding_info"]["attacks"]]
    assert tuple(techniques) == anomaly.attack


def test_every_detector_of_ours_says_how_it_judges() -> None:
    """No detector that is shipped is of an unknown kind to OCSF."""
    engine = extended_engine()
    shipped = {*(one.id for one in engine.detectors), *(one.id for one in engine.sources)}
    findings = [ocsf.detection_finding(_anomaly(detector=id)) for id in sorted(shipped)]
    assert all(found["finding_info"]["analytic"]["type_id"] for found in findings)


@pytest.mark.parametrize(
    "change", [{"class_uid": 3002}, {"severity_id": 7}, {"finding_info": {}}, {"time": "now"}]
)
def test_the_schema_refuses_what_is_wrong(schema: Draft202012Validator, change: dict[str, Any]) -> None:
    """The schema that findings are held to knows a wrong one."""
    found = ocsf.detection_finding(_anomaly()) | change
    assert not schema.is_valid(json.loads(msgspec.json.encode(found)))


def _anomaly(**given: Any) -> Anomaly:
    usual: dict[str, Any] = {
        "id": "00",
        "tenant_id": "acme",
        "subject_kind": "user",
        "subject": "alice",
        "detector": "brute_force",
        "slot": START,
        "code": "brute_force",
        "severity": "high",
        "score": 70,
        "count": 1,
        "first_seen": START,
        "last_seen": NOON,
        "version": 1,
    }
    return Anomaly(**usual | given)


def test_observed_and_baseline_stand_apart(schema: Draft202012Validator) -> None:
    """Values that the observed ones are held against are baselines; a list is several observations."""
    evidence = {"countries": ["DE", "NG"], "usual": ["NO"], "threshold": 10, "terms": {"ip": 2.5}, "none": []}
    (analysis,) = _told(schema, _anomaly(evidence=evidence))["anomaly_analyses"]

    def shown(side: str) -> dict[str, list[str]]:
        return {
            one["observation_parameter"]: [seen["value"] for seen in one["observations"]]
            for one in analysis[side]
        }

    assert shown("anomalies") == {"countries": ["DE", "NG"], "terms": ['{"ip":2.5}']}
    assert shown("baselines") == {"usual": ["NO"], "threshold": ["10"]}


@pytest.mark.parametrize(
    ("state", "version", "status", "revision", "activity", "status_id"),
    [
        ("open", 1, "new", 0, 1, 1),
        ("open", 2, "new", 0, 2, 1),
        ("open", 1, "in_progress", 1, 2, 2),
        ("open", 3, "suppressed", 1, 2, 3),
        ("open", 3, "resolved", 2, 3, 4),
        ("withdrawn", 4, "new", 0, 3, 1),
    ],
)
def test_activity_and_status(
    schema: Draft202012Validator,
    state: str,
    version: int,
    status: str,
    revision: int,
    activity: int,
    status_id: int,
) -> None:
    """The first version creates, later ones and what people say update, resolving and withdrawing close."""
    anomaly = _anomaly(state=state, version=version)
    found = _told(schema, anomaly, status=status, revision=revision)
    assert (found["activity_id"], found["type_uid"], found["status_id"]) == (
        activity,
        200_400 + activity,
        status_id,
    )
    assert found["unmapped"] == {"version": version, "state": state, "status_revision": revision}


@given(
    detector=st.text(max_size=20),
    kind=st.sampled_from(["user", "ip", "prefix", "asn", "tenant"]),
    subject=st.text(max_size=20),
    severity=st.sampled_from(get_args(Level)),
    attack=st.lists(st.from_regex(r"T\d{4}(\.\d{3})?", fullmatch=True), max_size=2).map(tuple),
    evidence=st.dictionaries(st.text(max_size=12), _json, max_size=5),
    event_id=st.text(max_size=5),
)
def test_anybodys_are_valid(schema: Draft202012Validator, kind: str, subject: str, **given: Any) -> None:
    """Whatever a third party's detector finds, on whatever subject, is published as a valid finding."""
    subject = {"ip": "203.0.113.9", "prefix": "203.0.113.0/24"}.get(kind, subject)
    _told(schema, _anomaly(subject_kind=kind, subject=subject, **given))
