import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.core.anomalies import SLOT, Anomaly, anomaly_id, hits_of, merge, of_finding
from gatewatch.core.policy import DEFAULT
from gatewatch.core.signals import Assessment, Finding, Signal
from gatewatch.core.times import DAY, HOUR
from tests.builders import START, failure, login

HITS = st.lists(
    st.builds(
        lambda score, when, version, tries: Anomaly(
            id="a",
            tenant_id="acme",
            subject_kind="user",
            subject="alice",
            detector="brute_force",
            slot=START // SLOT * SLOT,
            code="brute_force",
            severity="medium",
            score=score,
            count=1,
            first_seen=START + when,
            last_seen=START + when,
            event_id=f"e{when}",
            peak=START + when,
            evidence={"failures": tries},
            version=version,
        ),
        st.integers(40, 43),
        st.integers(0, 5),
        st.integers(0, 3),
        st.integers(10, 12),
    ),
    min_size=1,
    max_size=8,
)


@given(HITS, st.data())
def test_merge_is_associative_and_commutative(hits: list[Anomaly], data: st.DataObject) -> None:
    """Hits give the same anomaly in any order and any grouping."""
    whole = merge(hits)
    shuffled = data.draw(st.permutations(hits))
    at = data.draw(st.integers(0, len(hits)))
    groups = [merge(group) for group in (shuffled[:at], shuffled[at:]) if group]
    assert merge(shuffled) == merge(groups) == merge(groups[::-1]) == whole


@given(HITS)
def test_merge_adds_up(hits: list[Anomaly]) -> None:
    """Counts add up, times span all hits, the strongest then latest hit gives the evidence."""
    whole = merge(hits)
    assert whole.count == len(hits)
    assert whole.first_seen == min(hit.first_seen for hit in hits)
    assert whole.last_seen == max(hit.last_seen for hit in hits)
    assert (whole.score, whole.peak) == max((hit.score, hit.peak) for hit in hits)


def assessed(*strengths: float, score: int = 60) -> Assessment:
    """An assessment with these signals."""
    found = tuple(Signal(detector=f"d{i}", code="c", strength=s) for i, s in enumerate(strengths))
    return Assessment(score=score, level="medium", signals=found)


def test_strong_signals_open_one_each() -> None:
    """Each signal of opening strength opens its own anomaly; weaker ones do not."""
    assert [hit.detector for hit in hits_of(login(START), assessed(0.6, 0.3, 0.29), DEFAULT)] == ["d0", "d1"]


def test_many_weak_signals_open_the_strongest() -> None:
    """Where only the whole is strong, it stands under its strongest signal; a weak whole opens nothing."""
    assert [
        hit.detector for hit in hits_of(login(START), assessed(0.2, 0.1, score=DEFAULT.open_score), DEFAULT)
    ] == ["d0"]
    assert hits_of(login(START), assessed(0.2, 0.1, score=DEFAULT.open_score - 1), DEFAULT) == []
    assert hits_of(login(START), Assessment(score=0, level="none"), DEFAULT) == []


def test_same_day_is_the_same_anomaly() -> None:
    """The id hangs on subject, detector and UTC day, and on nothing else."""
    ids = {hits_of(failure(START + i * HOUR), assessed(0.5), DEFAULT)[0].id for i in range(16)}
    assert len(ids) == 1
    assert hits_of(failure(START + DAY), assessed(0.5), DEFAULT)[0].id not in ids
    assert anomaly_id("a", "user", "b", "c", 0) != anomaly_id("a", "user", "b", "d", 0)


def test_record_without_user_is_about_its_address() -> None:
    """A signal on a record that names no user is filed under the address."""
    event = msgspec.structs.replace(failure(START), user=type(failure(START).user)())
    (hit,) = hits_of(event, assessed(0.5), DEFAULT)
    assert (hit.subject_kind, hit.subject) == ("ip", event.ip)


def test_finding_becomes_an_anomaly() -> None:
    """A finding's anomaly has its strength as score, its support as count and its bucket range."""
    finding = Finding(
        detector="password_spraying",
        subject=("ip", "203.0.113.9"),
        slot=START // SLOT * SLOT,
        strength=0.7,
        first=START,
        last=START + HOUR,
        lo=1,
        hi=7,
        support=40,
        evidence={"users": 20},
    )
    found = of_finding("acme", finding, DEFAULT)
    assert (found.score, found.severity, found.count) == (70, "high", 40)
    assert (found.lo, found.hi, found.support, found.subject) == (1, 7, 40, "203.0.113.9")
