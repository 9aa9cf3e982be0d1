"""The registry: one threat, one file, one class, one line here; others' packages add theirs by an entry point."""

from importlib.metadata import entry_points

from gatewatch.core.detection import Detector, DoubtDetector, SourceDetector
from gatewatch.core.engine import Engine
from gatewatch.detectors.account_enumeration import AccountEnumeration
from gatewatch.detectors.account_takeover import AccountTakeover
from gatewatch.detectors.brute_force import BruteForce
from gatewatch.detectors.credential_stuffing import CredentialStuffing
from gatewatch.detectors.distributed_brute_force import DistributedBruteForce
from gatewatch.detectors.dormant_account import DormantAccount
from gatewatch.detectors.impossible_travel import ImpossibleTravel
from gatewatch.detectors.login_risk import LoginRisk
from gatewatch.detectors.new_country import NewCountry
from gatewatch.detectors.new_device import NewDevice
from gatewatch.detectors.password_spraying import PasswordSpraying
from gatewatch.detectors.source_brute_force import SourceBruteForce
from gatewatch.detectors.unusual_time import UnusualTime
from gatewatch.models.freeman import Freeman

#: The entry-point group of third parties: each names a Detector, DoubtDetector or SourceDetector, or its class.
ENTRY_POINTS = "gatewatch.detectors"

#: Threats to a user, seen in one event (`step`), in the order they are asked.
DETECTORS: dict[str, Detector] = {
    "brute_force": BruteForce(),
    "distributed_brute_force": DistributedBruteForce(),
    "account_takeover": AccountTakeover(),
    "impossible_travel": ImpossibleTravel(),
    "new_country": NewCountry(),
    "new_device": NewDevice(),
    "unusual_time": UnusualTime(),
    "dormant_account": DormantAccount(),
    "login_risk": LoginRisk(Freeman()),
}

#: What a finding on a source means for a success that came from it (`judge`).
DOUBTS: dict[str, DoubtDetector] = {"account_takeover": AccountTakeover()}

#: Threats by a source, seen over all its failures (`review`).
SOURCE_DETECTORS: dict[str, SourceDetector] = {
    "brute_force": SourceBruteForce(),
    "password_spraying": PasswordSpraying(),
    "credential_stuffing": CredentialStuffing(),
    "account_enumeration": AccountEnumeration(),
}


def default_engine() -> Engine:
    """The engine with every detector of this package."""
    return Engine(
        detectors=tuple(DETECTORS.values()),
        doubts=tuple(DOUBTS.values()),
        sources=tuple(SOURCE_DETECTORS.values()),
    )


def extended_engine() -> Engine:
    """The default engine and what installed packages offer under `ENTRY_POINTS`, by name.

    Raises what a faulty package raises on import: a detector that is installed and does not load must be seen.
    """
    detectors, doubts, sources = dict(DETECTORS), dict(DOUBTS), dict(SOURCE_DETECTORS)
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda e: e.name):
        found = entry.load()
        detector = found() if isinstance(found, type) else found
        if hasattr(detector, "assess"):
            detectors[detector.id] = detector
        if hasattr(detector, "doubt"):
            doubts[detector.id] = detector
        if hasattr(detector, "review"):
            sources[detector.id] = detector
    return Engine(tuple(detectors.values()), tuple(doubts.values()), tuple(sources.values()))
