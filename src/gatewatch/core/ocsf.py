"""An anomaly as a Detection Finding of the Open Cybersecurity Schema Framework, for whoever reads what is published.

Source: schema.ocsf.io, class 2004. What OCSF has no attribute for (version, state, revision) is under `unmapped`.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from gatewatch.core import advice, phrases, wording
from gatewatch.core.anomalies import Anomaly, Status
from gatewatch.core.signals import Kind, Level

#: The version of the schema that findings keep to.
SCHEMA_VERSION = "1.8.0"

_FINDINGS, _DETECTION_FINDING = 2, 2004
_CREATE, _UPDATE, _CLOSE = 1, 2, 3
_SEVERITIES: dict[Level, int] = {"none": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
_RISK_LEVELS: dict[Level, int] = {"none": 0, "low": 1, "medium": 2, "high": 3, "critical": 4}
_STATUSES: dict[Status, int] = {"new": 1, "in_progress": 2, "suppressed": 3, "resolved": 4}
_KINDS: dict[Kind, int] = {"rule": 1, "behavioral": 2, "statistical": 3, "learning": 4}
_USER_NAME, _IP_ADDRESS, _SUBNET = 4, 2, 12
#: How each detector of ours comes to its judgement; that of others' is unknown.
_OURS: dict[str, Kind] = {
    "account_enumeration": "rule",
    "account_takeover": "rule",
    "brute_force": "rule",
    "credential_stuffing": "rule",
    "distributed_brute_force": "rule",
    "dormant_account": "behavioral",
    "impossible_travel": "rule",
    "login_risk": "learning",
    "new_country": "behavioral",
    "new_device": "behavioral",
    "password_spraying": "rule",
    "unusual_time": "behavioral",
}
#: How the names of those evidence values begin that an observed one is held against.
_BASELINE = ("usual", "threshold", "expected", "midpoint", "longest", "history", "tenant", "typing")
_MILLISECOND = 1_000

_plain = msgspec.json.Encoder().encode


def detection_finding(
    anomaly: Anomaly, status: Status = "new", revision: int = 0, product_version: str = ""
) -> dict[str, Any]:
    """The finding, as JSON values. `status` and `revision` are what people said last."""
    activity = _activity(anomaly, status, revision)
    sentence = wording.of_anomaly(anomaly)
    return {
        "category_uid": _FINDINGS,
        "class_uid": _DETECTION_FINDING,
        "activity_id": activity,
        "type_uid": _DETECTION_FINDING * 100 + activity,
        "time": anomaly.last_seen // _MILLISECOND,
        "start_time": anomaly.first_seen // _MILLISECOND,
        "end_time": anomaly.last_seen // _MILLISECOND,
        "severity_id": _SEVERITIES[anomaly.severity],
        "risk_level_id": _RISK_LEVELS[anomaly.severity],
        "risk_score": anomaly.score,
        "status_id": _STATUSES[status],
        "is_alert": anomaly.state == "open",
        "count": anomaly.count,
        "message": sentence,
        "metadata": {
            "version": SCHEMA_VERSION,
            "product": {"name": "Gatewatch", "vendor_name": "Gatewatch", "version": product_version},
            "tenant_uid": anomaly.tenant_id,
            "log_name": "gatewatch.anomalies",
        },
        "finding_info": _info(anomaly, sentence),
        "anomaly_analyses": [_analysis(anomaly)],
        "evidences": [_evidence(anomaly)],
        "observables": list(_observables(anomaly)),
        "remediation": {"desc": " ".join(advice.steps(anomaly.detector, anomaly.subject_kind))},
        "unmapped": {"version": anomaly.version, "state": anomaly.state, "status_revision": revision},
    }


def _activity(anomaly: Anomaly, status: Status, revision: int) -> int:
    if anomaly.state == "withdrawn" or status == "resolved":
        return _CLOSE
    return _CREATE if anomaly.version <= 1 and not revision else _UPDATE


def _info(anomaly: Anomaly, sentence: str) -> dict[str, Any]:
    kind = _OURS.get(anomaly.detector)
    title = phrases.words(anomaly.detector).capitalize()
    return {
        "uid": anomaly.id,
        "title": title,
        "desc": sentence,
        "types": [anomaly.code],
        "first_seen_time": anomaly.first_seen // _MILLISECOND,
        "last_seen_time": anomaly.last_seen // _MILLISECOND,
        "analytic": {
            "uid": anomaly.detector,
            "name": title,
            "type_id": _KINDS[kind] if kind is not None else 0,
        },
        "attacks": [_attack(technique) for technique in anomaly.attack],
        "related_events": [{"uid": anomaly.event_id}] if anomaly.event_id else [],
    }


def _attack(technique: str) -> dict[str, Any]:
    """A technique of ATT&CK by its id, "T1110" or "T1110.003"."""
    whole, _, sub = technique.partition(".")
    found: dict[str, Any] = {"technique": {"uid": whole}}
    return found | {"sub_technique": {"uid": technique}} if sub else found


def _analysis(anomaly: Anomaly) -> dict[str, Any]:
    """What was observed, and what it was held against."""
    observed: list[dict[str, Any]] = []
    baseline: list[dict[str, Any]] = []
    for name, value in anomaly.evidence.items():
        told = baseline if name.startswith(_BASELINE) else observed
        if observations := [{"value": _text(one)} for one in _several(value)]:
            told.append({"observation_parameter": name, "observations": observations})
    target = {"name": anomaly.subject or anomaly.tenant_id, "type": anomaly.subject_kind}
    return {"analysis_targets": [target], "anomalies": observed, "baselines": baseline}


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _plain(value).decode()


def _evidence(anomaly: Anomaly) -> dict[str, Any]:
    found: dict[str, Any] = {"data": anomaly.evidence}
    if anomaly.subject_kind == "user":
        found["user"] = {"name": anomaly.subject}
    if (address := _address(anomaly)) is not None:
        found["src_endpoint"] = {"ip": address}
    return found


def _address(anomaly: Anomaly) -> str | None:
    """The address that the anomaly is about, or that its strongest hit came from."""
    found = anomaly.subject if anomaly.subject_kind == "ip" else anomaly.evidence.get("address")
    return found if isinstance(found, str) and found else None


def _observables(anomaly: Anomaly) -> Iterator[dict[str, Any]]:
    if anomaly.subject_kind == "user":
        yield {"name": "evidences.user.name", "type_id": _USER_NAME, "value": anomaly.subject}
    elif anomaly.subject_kind == "prefix":
        yield {"name": "anomaly_analyses.analysis_targets.name", "type_id": _SUBNET, "value": anomaly.subject}
    if (address := _address(anomaly)) is not None:
        yield {"name": "evidences.src_endpoint.ip", "type_id": _IP_ADDRESS, "value": address}
