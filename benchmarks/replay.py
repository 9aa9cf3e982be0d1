"""A simulated world through the engine, all in memory: enrichment, frequencies, sources and reviews without a store.

It does what the detector does, one event at a time and in event time; a source is reviewed at once after a failure,
at most once per `REVIEW_EVERY`, and its open findings put earlier successes from there in doubt.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import msgspec

from gatewatch.adapters.useragents import UserAgents
from gatewatch.core import attributes, learning, sources, subjects
from gatewatch.core.context import Context, SourceNumbers
from gatewatch.core.detection import StoredLogin
from gatewatch.core.engine import Engine
from gatewatch.core.events import Asn, Geo, LoginEvent
from gatewatch.core.keys import prefix_of
from gatewatch.core.policy import Policy
from gatewatch.core.profiles import Profile
from gatewatch.core.records import ControlRecord
from gatewatch.core.signals import Assessment, Finding, Subject
from gatewatch.core.sketches import keyed_hash
from gatewatch.core.sources import Buckets
from gatewatch.core.times import DAY, HOUR, SECOND
from gatewatch.services.frequencies import TenantFrequencies
from gatewatch.simulator.network import networks

REVIEW_EVERY = 5 * SECOND
_REVIEW_AFTER = 5
_SALT = b"benchmark"


class Plan:
    """What a geo and ASN database of the simulated internet knows."""

    def __init__(self) -> None:
        self._agents = UserAgents()
        self._blocks: dict[tuple[int, int, int], tuple[Geo, Asn]] = {}
        sizes = set()
        for cidr, geo, asn in networks():
            net = ip_network(cidr)
            self._blocks[net.version, net.prefixlen, int(net.network_address)] = (geo, asn)
            sizes.add((net.version, net.prefixlen))
        self._sizes = sorted(sizes, reverse=True)
        self._cache: dict[str, tuple[Geo, Asn] | None] = {}

    def enrich(self, event: LoginEvent) -> LoginEvent:
        """The event with place, network and client."""
        if event.ip not in self._cache:
            self._cache[event.ip] = self._find(event.ip)
        geo, asn = self._cache[event.ip] or (None, None)
        ua = self._agents.parse(event.ua.raw) if event.ua is not None else None
        return msgspec.structs.replace(event, geo=geo, asn=asn, ua=ua)

    def _find(self, ip: str) -> tuple[Geo, Asn] | None:
        address = ip_address(ip)
        for version, bits in self._sizes:
            if version == address.version:
                host = address.max_prefixlen - bits
                found = self._blocks.get((version, bits, int(address) >> host << host))
                if found is not None:
                    return found
        return None


class _Source:
    """One source: its failures, who got in from there, and the findings open on it."""

    __slots__ = ("buckets", "doubted", "findings", "logins", "pending", "reviewed")

    def __init__(self) -> None:
        self.buckets: Buckets = {}
        self.logins: list[LoginEvent] = []
        self.findings: list[Finding] = []
        self.doubted: set[str] = set()
        self.pending = 0
        self.reviewed = 0


class Verdict(msgspec.Struct, frozen=True):
    """What one event led to: its own assessment, doubts on earlier logins, findings on its source."""

    event: LoginEvent
    assessment: Assessment
    doubts: tuple[tuple[LoginEvent, Assessment], ...] = ()
    findings: tuple[Finding, ...] = ()


class Replay:
    """The state of one tenant."""

    def __init__(self, system: Engine, policy: Policy) -> None:
        self.engine = system
        self.policy = policy
        self._asked = system.asked(policy)
        self.profiles: dict[str, Profile] = {}
        self._frequencies = TenantFrequencies()
        self._sources: dict[Subject, _Source] = {}

    def feed(self, event: LoginEvent) -> Verdict:
        """Assess an event, then learn it."""
        subject = _subject(event)
        source = self._sources.setdefault(subject, _Source())
        profile = self.profiles.setdefault(event.user_key, Profile())
        context = self._context(event, source)
        assessment, change = self.engine.step(profile, event, context, self.policy, asked=self._asked)
        learning.apply(profile, change)
        if event.is_success:
            self._frequencies.count(attributes.values_of(event))
            source.logins.append(event)
            return Verdict(event, assessment, tuple(self._doubts(source, event.time)))
        if event.is_attack_failure:
            subjects.count_failure(source.buckets, event, _SALT)
            source.pending += 1
            findings = self._review(subject, source, event.time)
            return Verdict(event, assessment, tuple(self._doubts(source, event.time)), findings)
        return Verdict(event, assessment)

    def _context(self, event: LoginEvent, source: _Source) -> Context:
        frequencies = self._frequencies.of(attributes.values_of(event))
        finding = _open(source, event.time)
        if finding is None:
            return Context(frequencies=frequencies)
        numbers = SourceNumbers(finding=finding.detector)
        if finding.subject[0] == "prefix":
            return Context(prefix=numbers, frequencies=frequencies)
        return Context(ip=numbers, frequencies=frequencies)

    def _review(self, subject: Subject, source: _Source, now: int) -> tuple[Finding, ...]:
        if source.pending < _REVIEW_AFTER and not source.findings and len(source.buckets) < 2:
            return ()
        if now - source.reviewed < REVIEW_EVERY:
            return ()
        source.reviewed, source.pending = now, 0
        oldest = (now - 2 * DAY) // sources.BUCKET
        source.buckets = {i: b for i, b in source.buckets.items() if i >= oldest}
        since = now - self.policy.explained_before
        source.logins = [login for login in source.logins if login.time >= since]
        explained = frozenset(keyed_hash(_SALT, login.user_key) for login in source.logins)
        source.findings = self.engine.review(subject, source.buckets, explained, self.policy)
        return tuple(source.findings)

    def _doubts(self, source: _Source, now: int) -> Iterator[tuple[LoginEvent, Assessment]]:
        if (finding := _open(source, now)) is None:
            return
        for login in source.logins:
            if login.time >= finding.first and login.event_id not in source.doubted:
                source.doubted.add(login.event_id)
                assessment = self._doubt(login, finding)
                if assessment is not None:
                    yield login, assessment

    def _doubt(self, login: LoginEvent, finding: Finding) -> Assessment | None:
        profile = self.profiles[login.user_key]
        evidence = {**finding.evidence, "detector": finding.detector, "subject": finding.subject}
        control = ControlRecord(
            id=f"doubt-{login.event_id}",
            tenant_id=login.tenant_id,
            user_key=login.user_key,
            kind="doubt",
            time=login.time,
            event_id=login.event_id,
            event_time=login.time,
            finding=finding.detector,
            evidence=msgspec.json.encode(evidence),
        )
        assessment, change = self.engine.judge(profile, control, StoredLogin(login, 1), self.policy)
        learning.apply(profile, change)
        return assessment


def _subject(event: LoginEvent) -> Subject:
    """What is reviewed: the address, in IPv6 its /64."""
    return ("prefix", prefix_of(event.ip)) if ":" in event.ip else ("ip", event.ip)


def _open(source: _Source, now: int) -> Finding | None:
    """The strongest finding that is open: within an hour of its last failure."""
    found = [f for f in source.findings if f.first <= now <= f.last + HOUR]
    return max(found, key=lambda f: (f.strength, f.detector), default=None)
