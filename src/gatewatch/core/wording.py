"""One sentence for people, from codes and evidence. Nothing is decided here.

Evidence may be older than this code or come from a third party: a key that is missing or of another type leaves its
part of the sentence out, and an unknown detector gets a plain list of what it saw. Times are UTC.
"""

from collections.abc import Callable
from typing import NamedTuple

from gatewatch.core import phrases
from gatewatch.core.anomalies import Anomaly
from gatewatch.core.phrases import Evidence
from gatewatch.core.signals import Signal
from gatewatch.core.times import MAX_TIME, SECOND, to_datetime

_MOST_FACTS = 4


class _Case(NamedTuple):
    """What a sentence is made of: who it is about, the code, the evidence and the time (µs, 0: none)."""

    who: str
    code: str
    evidence: Evidence
    time: int


def sentence(
    detector: str,
    subject: str,
    evidence: Evidence,
    *,
    subject_kind: str = "user",
    code: str = "",
    time: int = 0,
) -> str:
    """What a detector saw, in one sentence about `subject`.

    >>> sentence("dormant_account", "alice", {"days": 120, "address": "192.0.2.1"})
    'alice signed in from 192.0.2.1 after 120 days of silence.'
    """
    of_user = subject_kind in ("user", "")
    render = _OF_SOURCES.get(detector) if not of_user else None
    render = render or _OF_USERS.get(detector, _unknown)
    who = phrases.clean(subject) or "the tenant"
    if not of_user and render in _ABOUT_USERS:
        who = f"somebody without a name ({phrases.clean(subject_kind)} {who})"
    return render(_Case(who, code or detector, evidence, time))


def of_anomaly(anomaly: Anomaly) -> str:
    """The sentence of an anomaly: about its strongest hit."""
    return sentence(
        anomaly.detector,
        anomaly.subject,
        anomaly.evidence,
        subject_kind=anomaly.subject_kind,
        code=anomaly.code,
        time=anomaly.peak,
    )


def reason_text(signal: Signal) -> str:
    """The sentence of one signal, about "the user"."""
    text = sentence(signal.detector, "the user", signal.evidence, code=signal.code)
    return text[:1].upper() + text[1:]


def note_text(note: str) -> str:
    """What a note of an assessment says."""
    return _NOTES.get(note, phrases.words(note).capitalize() + ".")


def degraded_text(name: str) -> str:
    """What it means that a detector or model failed."""
    return f"The detector {phrases.clean(name)} failed: this assessment may be too low."


_NOTES = {
    "first_login": "This is the user's first login; there is no history to compare it with.",
    "no_history": "The user never got in before; there is no history to compare with.",
    "no_geo": "The place of the address is not known.",
    "not_a_login": "This event is no login attempt and is not assessed.",
}


def _takeover(case: _Case) -> str:
    head = f"{case.who} signed in{_from(case)}{_at(case)}"
    finding = phrases.text(case.evidence, "finding")
    if case.code.endswith("_from_attacker") and finding:
        return f"{head} while {phrases.words(finding)} came from there{_acquaintance(case)}."
    failures = phrases.counted(case.evidence, "failures", "failed attempt")
    span = phrases.first(case.evidence, "lasted_s", "window_s")
    return f"{head} after {failures}{_in(span)}{_failures_from(case)}{_acquaintance(case)}."


def _failures_from(case: _Case) -> str:
    evidence = case.evidence
    sources, own = (
        phrases.number(evidence, "failure_sources"),
        phrases.number(evidence, "same_address_failures"),
    )
    if evidence.get("same_address") is True:
        if sources == 1 or sources is None or own is None:
            return " from the same address"
        return f" from {phrases.plural(sources, 'address')}, {phrases.digits(own)} of them from the same one"
    if sources == 1 and (top := phrases.text(evidence, "top_source")):
        return f" from {top}"
    return f" from {phrases.plural(sources, 'other address')}" if sources else ""


def _acquaintance(case: _Case) -> str:
    address, device = (
        phrases.number(case.evidence, "known_address"),
        phrases.number(case.evidence, "known_device"),
    )
    if case.evidence.get("known") is True:
        return (
            ", although both are known to each other"
            if address
            else ", although the device is the user's own"
        )
    if address is None and device is None:
        return ""
    return ", with an address and a device the user never had" if not (address or device) else ""


def _brute_force(case: _Case) -> str:
    evidence = case.evidence
    sources = phrases.number(evidence, "sources")
    top, most = phrases.text(evidence, "top_source"), phrases.number(evidence, "top_source_failures")
    where = f" from {top}" if top and sources in (1, None) else ""
    if top and sources and sources > 1:
        where = f" from {phrases.plural(sources, 'address')}, the busiest {top} ({phrases.digits(most)})"
    usual = phrases.number(evidence, "usual_per_day")
    tail = (
        f"; {phrases.digits(usual)} a day {'is' if usual == 1 else 'are'} usual" if usual is not None else ""
    )
    return f"{case.who} was tried with {_attempts(case)}{_window(case)}{where}{tail}."


def _distributed(case: _Case) -> str:
    evidence = case.evidence
    countries = evidence.get("countries")
    parts = [f"{phrases.counted(evidence, 'sources', 'address')}"]
    if (asns := phrases.number(evidence, "asns")) is not None and asns > 1:
        parts.append(phrases.plural(asns, "network"))
    if isinstance(countries, list | tuple) and len(countries) > 1:
        parts.append(phrases.plural(len(countries), "country"))
    return f"{case.who} was tried with {_attempts(case)}{_window(case)} from {phrases.listed(parts)}."


def _travel(case: _Case) -> str:
    evidence = case.evidence
    place = _place(evidence, "city", "country")
    there = _place(evidence, "other_city", "other_country") or phrases.text(evidence, "other_address")
    km, kmh, limit = (phrases.number(evidence, key) for key in ("km", "kmh", "threshold_kmh"))
    minutes = phrases.number(evidence, "minutes")
    parts = [f"{case.who} signed in{_from(case)}{f' ({place})' if place else ''}{_at(case)}"]
    if minutes is not None:
        order = "before" if evidence.get("other_is") == "after" else "after"
        parts.append(f" {phrases.duration(minutes * 60)} {order} a login{f' from {there}' if there else ''}")
    if km is not None:
        parts.append(f", {phrases.digits(km)} km away")
    if kmh is not None:
        parts.append(
            f": {phrases.digits(kmh)} km/h" + (f" where {phrases.digits(limit)} is possible" if limit else "")
        )
    if reason := phrases.text(evidence, "suppressed"):
        parts.append(f", which {_REASONS.get(reason, 'a habit explains: ' + phrases.words(reason))}")
    return "".join(parts) + "."


_REASONS = {
    "known_egress": "an address the user often has explains",
    "organisation_egress": "an address many people here share explains",
    "mobile_same_country": "a mobile carrier's gateway in the same country explains",
    "other_login_in_doubt": "the other login, itself in doubt, explains",
}


def _new_country(case: _Case) -> str:
    country = phrases.text(case.evidence, "country") or "a country"
    head = f"{case.who} signed in{_from(case)}{_at(case)}"
    return (
        f"{head}, for the first time in {country} after {_history(case)}{_usually(case.evidence, 'usual')}."
    )


def _new_device(case: _Case) -> str:
    evidence = case.evidence
    families = (phrases.text(evidence, "browser"), phrases.text(evidence, "os"))
    client = " on ".join(part for part in families if part)
    head = f"{case.who} signed in{_from(case)}{_at(case)} with a new device after {_history(case)}"
    return f"{head}{f': {client}' if client else ''}{_usually(evidence, 'usual_os')}."


def _unusual_time(case: _Case) -> str:
    hour, usual = phrases.number(case.evidence, "hour"), phrases.number(case.evidence, "usual_hour")
    when = f" at {int(hour) % 24:02d}:00 UTC" if hour is not None else " at an unusual time"
    tail = (
        f"; the middle of them is {int(usual) % 24:02d}:{int(usual % 1 * 60):02d}"
        if usual is not None
        else ""
    )
    return f"{case.who} signed in{when}, a rare time in {_history(case)}{tail}."


def _dormant(case: _Case) -> str:
    days = phrases.number(case.evidence, "days")
    silence = f"{phrases.plural(days, 'day')} of silence" if days is not None else "a long silence"
    return f"{case.who} signed in{_from(case)}{_at(case)} after {silence}."


def _risk(case: _Case) -> str:
    new = _strange_levels(case.evidence.get("terms"))
    what = f": another {phrases.listed([_LEVELS[name] for name in new])}" if new else ""
    raw, middle = phrases.number(case.evidence, "raw"), phrases.number(case.evidence, "midpoint")
    figures = ""
    if raw is not None and middle is not None:
        figures = f" (likelihood ratio {phrases.digits(raw)}, half strength at {phrases.digits(middle)})"
    return f"{case.who} signed in{_from(case)}{_at(case)} unlike before{what}{figures}."


def _strange_levels(terms: object) -> list[str]:
    """The levels that add to a likelihood ratio, the strongest first."""
    if not isinstance(terms, dict):
        return []
    new = {
        name: term
        for name, term in terms.items()
        if name in _LEVELS and phrases.is_number(term) and term > 0.5
    }
    return sorted(new, key=lambda name: (-round(new[name], 1), list(_LEVELS).index(name)))


_LEVELS = {
    "ip": "address",
    "asn": "network",
    "country": "country",
    "ua": "user agent",
    "browser": "browser",
    "os": "system",
    "device": "device",
}


def _source_brute_force(case: _Case) -> str:
    users = phrases.number(case.evidence, "users")
    on = f" on {phrases.plural(users, 'account')}" if users else ""
    return f"{case.who} made {_attempts(case)}{on}{_stretch(case)}."


def _spraying(case: _Case) -> str:
    most = phrases.number(case.evidence, "max_per_user")
    each = f", at most {phrases.digits(most)} each" if most else ""
    users = phrases.counted(case.evidence, "users", "account")
    return f"{case.who} tried {users} with {_attempts(case)}{_stretch(case)}{each}."


def _stuffing(case: _Case) -> str:
    unknown = phrases.number(case.evidence, "unknown_users")
    tail = (
        f"; {phrases.digits(unknown)} of the names {'does' if unknown == 1 else 'do'} not exist"
        if unknown
        else ""
    )
    return _spraying(case)[:-1] + tail + "."


def _enumeration(case: _Case) -> str:
    names = phrases.counted(case.evidence, "unknown_users", "name")
    return f"{case.who} tried {names} that do not exist{_stretch(case)}."


def _unknown(case: _Case) -> str:
    """Codes of third parties: the code in words and the first simple facts."""
    facts = [
        f"{phrases.words(key)} {phrases.clean(str(value))}"
        for key, value in case.evidence.items()
        if isinstance(value, str | int | float) and value != ""
    ]
    listed = ", ".join(facts[:_MOST_FACTS])
    return f"{case.who}: {phrases.words(case.code)}{f' ({listed})' if facts else ''}."


_OF_USERS: dict[str, Callable[[_Case], str]] = {
    "account_takeover": _takeover,
    "brute_force": _brute_force,
    "distributed_brute_force": _distributed,
    "dormant_account": _dormant,
    "impossible_travel": _travel,
    "login_risk": _risk,
    "new_country": _new_country,
    "new_device": _new_device,
    "unusual_time": _unusual_time,
}
_OF_SOURCES: dict[str, Callable[[_Case], str]] = {
    "account_enumeration": _enumeration,
    "brute_force": _source_brute_force,
    "credential_stuffing": _stuffing,
    "password_spraying": _spraying,
}


_ABOUT_USERS = frozenset(_OF_USERS.values())


def _from(case: _Case) -> str:
    address = phrases.text(case.evidence, "address")
    return f" from {address}" if address else ""


def _at(case: _Case) -> str:
    """The time of day; evidence may know the event's own."""
    time = phrases.number(case.evidence, "time") or case.time
    if not 0 < time <= MAX_TIME:
        return ""
    return f" at {to_datetime(int(time)):%H:%M:%S}"


def _in(seconds: float | None) -> str:
    return f" in {phrases.duration(seconds)}" if seconds else ""


def _window(case: _Case) -> str:
    return _in(phrases.number(case.evidence, "window_s"))


def _stretch(case: _Case) -> str:
    """How long a finding lasted, from first to last failure."""
    first, last = phrases.number(case.evidence, "first"), phrases.number(case.evidence, "last")
    if first is not None and last is not None and last > first:
        return f" in {phrases.duration((last - first) / SECOND)}"
    return _window(case)


def _attempts(case: _Case) -> str:
    return phrases.counted(case.evidence, "failures", "failed attempt")


def _history(case: _Case) -> str:
    logins = phrases.number(case.evidence, "history")
    return phrases.plural(round(logins), "login") if logins is not None else "the user's logins"


def _usually(evidence: Evidence, key: str) -> str:
    usual = evidence.get(key)
    if not isinstance(usual, list | tuple) or not usual:
        return ""
    return f" (usually {phrases.listed([phrases.clean(str(value)) for value in usual[:3]])})"


def _place(evidence: Evidence, city: str, country: str) -> str:
    return ", ".join(part for part in (phrases.text(evidence, city), phrases.text(evidence, country)) if part)
