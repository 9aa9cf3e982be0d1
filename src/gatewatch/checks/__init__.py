"""Conformance suites for detectors, source detectors, models and whole engines, for third parties as for our own.

Each `check_…` returns nothing, or raises `CheckFailed` with one plain sentence that names what was checked and what
it did. Events come from small seeded generators, so a failure can be repeated. Nothing but the package is needed:

    from gatewatch.checks import check_detector

    def test_conforms() -> None:
        check_detector(MyDetector())
"""

from gatewatch.checks.detectors import check_detector
from gatewatch.checks.engines import MOST_PROFILE_BYTES, check_engine
from gatewatch.checks.models import LEAST_AUC, check_model
from gatewatch.checks.requirements import MOST_GROWTH, CheckFailed
from gatewatch.checks.source_detectors import check_source_detector

__all__ = (
    "LEAST_AUC",
    "MOST_GROWTH",
    "MOST_PROFILE_BYTES",
    "CheckFailed",
    "check_detector",
    "check_engine",
    "check_model",
    "check_source_detector",
)
