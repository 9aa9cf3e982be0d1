"""What an application asks and reports: a native event with a few words beside it, and later what became of it."""

from typing import Literal

import msgspec

from gatewatch.core.decisions import POLICY, login_id
from gatewatch.core.events import Flag, LoginEvent
from gatewatch.core.records import EventRecord
from gatewatch.ingest.contract import MAX_LINE, Arrival, Refused, record
from gatewatch.ingest.moments import moment
from gatewatch.ingest.native import decoded, event_of
from gatewatch.ingest.native_shape import Native
from gatewatch.ingest.normalise import event_identifier, short
from gatewatch.ingest.reasons import reason_class
from gatewatch.ingest.safejson import BOM, decode

#: How a login ended, and how a challenge did.
LoginResult = Literal["success", "failure"]
ChallengeResult = Literal["passed", "failed", "abandoned"]

_LOGINS = ("logon", "session", "token")
_OUTCOMES = ("unknown", "success", "failure")


class NativeDecision(Native, gc=False):
    """A native event, and how it is to be decided on."""

    policy: str | None = None
    dry_run: bool | None = None


class Asked(msgspec.Struct, frozen=True):
    """A question about a login: the record it becomes, and whether it is only tried out."""

    record: EventRecord
    dry_run: bool


class Report(msgspec.Struct, frozen=True):
    """What became of a login that was decided on. `occurred_at` is when the login ended."""

    login: LoginResult | None = None
    challenge: ChallengeResult | None = None
    reason: str = ""
    occurred_at: str | int | float | None = None


_asked = msgspec.json.Decoder(NativeDecision)
_report = msgspec.json.Decoder(Report)


def read_decision(body: bytes, arrival: Arrival, fallback_id: str) -> Asked:
    """The question in a body; an event without an id gets `fallback_id`. Raises `Refused`.

    The policy and whether it is a dry run are no part of the event, nor of what identifies its content.
    """
    asked, extra = decoded(_bounded(body), _asked)
    if (asked.policy or POLICY) != POLICY:
        raise Refused("bad_field", f"There is one policy, {POLICY!r}.")
    event = event_of(asked, extra, arrival, event_identifier(asked.event_id) or fallback_id)
    if event.activity not in _LOGINS:
        raise Refused("unknown_type", "Decisions are about logins: the type is login, session or token.")
    if event.outcome not in _OUTCOMES:
        raise Refused("unknown_outcome", "The outcome is attempted, success or failure.")
    return Asked(record(event, body, arrival), bool(asked.dry_run))


def read_report(body: bytes) -> Report:
    """What is reported of a login. Raises `Refused`; unknown fields are ignored."""
    try:
        found = decode(_bounded(body), _report)
    except msgspec.ValidationError as error:
        raise Refused("bad_field", f"{error}.") from None
    if found.login is None and found.challenge is None:
        raise Refused("missing_field", "Neither login nor challenge is said.")
    return found


def login_of(
    report: Report, body: bytes, decided: LoginEvent, decision: str, arrival: Arrival
) -> EventRecord:
    """The login that a decision's result becomes, under an id of its own. Raises `Refused`."""
    assert report.login is not None
    flags: list[Flag] = [flag for flag in decided.flags if flag not in ("time_clamped", "zone_assumed")]
    time = arrival.received
    if report.occurred_at is not None:
        time, assumed = moment(report.occurred_at, arrival.zone)
        flags += ["zone_assumed"] if assumed else []
    event = msgspec.structs.replace(
        decided,
        event_id=login_id(decision),
        time=time,
        outcome=report.login,
        reason=short(report.reason, flags),
        reason_class=reason_class(report.reason, report.login),
        extra={"decision_id": decision},
        flags=tuple(flags),
    )
    return record(event, body, arrival)


def _bounded(body: bytes) -> bytes:
    if len(body) > MAX_LINE:
        raise Refused("line_too_long", f"The body has {len(body):,} bytes; {MAX_LINE:,} are allowed.")
    return body.removeprefix(BOM).strip()
