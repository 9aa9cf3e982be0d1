from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewatch.core import sources
from gatewatch.core.anomalies import SLOT
from gatewatch.core.policy import DEFAULT
from gatewatch.core.signals import Finding, Subject
from gatewatch.core.sources import BUCKET, Buckets
from gatewatch.core.subjects import unite
from gatewatch.core.times import DAY, HOUR, MINUTE, SECOND
from gatewatch.detectors import default_engine
from tests.unit.core.strategies import MIDNIGHT, Failure, buckets_of, crowd, failures, shares_of

ATTACKER: Subject = ("ip", "203.0.113.9")
NOON = MIDNIGHT + 12 * HOUR
ENGINE = default_engine()


def review(
    found: list[Failure], subject: Subject = ATTACKER, own: frozenset[int] = frozenset()
) -> list[Finding]:
    """All findings on a source with these failures; `own` are the users who also got in."""
    return ENGINE.review(subject, buckets_of(found), own, DEFAULT)


def ids(found: list[Finding]) -> set[str]:
    """Which detectors found something."""
    return {finding.detector for finding in found}


def only(found: list[Finding], detector: str) -> Finding:
    """The one finding of a detector."""
    (finding,) = [f for f in found if f.detector == detector]
    return finding


def known(users: int, tries: int, spread: int, start: int = NOON) -> list[Failure]:
    """Every user tried so often, one round after the other, all names known."""
    return [(time, user, False) for time, user, _ in crowd(users, tries, start, spread)]


def sprayed() -> list[Failure]:
    """Five users tried four times each within nine minutes, the first of them eight times."""
    found = known(5, 4, 9 * MINUTE)
    return [*found, *((NOON + (i + 1) * MINUTE, found[0][1], False) for i in range(4))]


class TestBruteForce:
    @pytest.mark.parametrize("users", [1, 3, 10])
    def test_whatever_the_accounts(self, users: int) -> None:
        """Ten failures within ten minutes name the source, on one account or on ten."""
        found = [(NOON + i * MINUTE, i % users, False) for i in range(10)]
        finding = only(review(found), "brute_force")
        assert finding.evidence["address"] == "203.0.113.9"
        assert finding.evidence["failures"] == finding.support == 10
        assert finding.evidence["users"] == users
        assert finding.evidence["thresholds"] == {"failures": 10, "window_s": 600}
        assert finding.strength == 0.6

    def test_across_bucket_edges(self) -> None:
        """Ten failures in ten minutes are found wherever the ten minutes begin."""
        for offset in range(0, 20 * 60, 37):
            start = NOON + offset * SECOND
            found = [(start + i * 10 * MINUTE // 9, 1, False) for i in range(10)]
            assert "brute_force" in ids(review(found)), offset

    def test_slow_failures_are_not(self) -> None:
        """Nine failures per quarter of an hour are no brute force."""
        assert "brute_force" not in ids(review([(NOON + i * 100 * SECOND, 1, False) for i in range(60)]))

    def test_own_typing_errors(self) -> None:
        """Failures of users who also got in are left out, but never ten of one user."""
        office = [(NOON + i * MINUTE, i % 4, False) for i in range(11)]
        assert not review(office, own=frozenset(range(4)))
        assert ids(review([(NOON + i * MINUTE, 5, False) for i in range(10)], own=frozenset({5}))) == {
            "brute_force"
        }

    def test_longer_attacks_are_stronger(self) -> None:
        """Strength grows with the busiest window and stays below certainty."""
        strengths = [
            only(review([(NOON + i * SECOND, 1, False) for i in range(n)]), "brute_force").strength
            for n in (10, 20, 100, 500)
        ]
        assert strengths == sorted(set(strengths))
        assert strengths[-1] < 0.9


class TestPasswordSpraying:
    def test_fast(self) -> None:
        """Five users tried three times each within the hour are sprayed."""
        finding = only(review(known(5, 3, 50 * MINUTE)), "password_spraying")
        assert finding.evidence["window_s"] == 3600
        assert (finding.evidence["users"], finding.evidence["max_per_user"]) == (5, 3)

    def test_fast_equals_its_definition(self) -> None:
        """Fewer users, tries, time, or too many tries on one account, are none."""
        assert not ids(review(known(4, 4, 50 * MINUTE))) & {"password_spraying"}
        assert not ids(review(known(7, 2, 50 * MINUTE))) & {"password_spraying"}
        assert not ids(review(known(5, 3, 4 * MINUTE))) & {"password_spraying"}
        assert not ids(review(known(5, 9, 9 * MINUTE))) & {"password_spraying"}

    def test_slow(self) -> None:
        """Twenty-five users tried once each over eighteen hours are sprayed, unseen by every faster rule."""
        found = review(known(25, 1, 18 * HOUR, MIDNIGHT + HOUR))
        assert ids(found) == {"password_spraying"}
        assert only(found, "password_spraying").evidence["window_s"] == 86_400

    def test_late_ninth_try_ends_it(self) -> None:
        """A ninth try that arrives late ends a finding of two to eight tries each."""
        found = sprayed()
        assert "password_spraying" in ids(review(found))
        assert "password_spraying" not in ids(review([*found, (NOON + 2 * MINUTE, found[0][1], False)]))

    def test_ninth_try_elsewhere_leaves_windows_without_it(self) -> None:
        """A ninth try hours later does not undo the windows that do not hold it."""
        found = sprayed()
        assert "password_spraying" in ids(review([*found, (NOON + 3 * HOUR, found[0][1], False)]))

    def test_two_days_are_two_findings(self) -> None:
        """Windows belong to the UTC day in which they begin."""
        found = review(known(30, 2, 40 * HOUR, MIDNIGHT + HOUR))
        assert [f.slot for f in found] == [MIDNIGHT, MIDNIGHT + DAY]
        assert found[0].hi * BUCKET >= MIDNIGHT + DAY


class TestCredentialStuffing:
    def test_list_of_pairs(self) -> None:
        """Thirty users tried once within a quarter of an hour, a third unknown, are stuffing."""
        finding = only(review(crowd(30, 1, NOON, 14 * MINUTE)), "credential_stuffing")
        assert (finding.evidence["users"], finding.evidence["unknown_users"]) == (30, 10)

    def test_not_without_unknown_names(self) -> None:
        """Where every name exists the list was made for this place: spraying."""
        found = ids(review(known(30, 1, 14 * MINUTE)))
        assert "credential_stuffing" not in found
        assert "password_spraying" in found

    def test_not_with_many_tries_each(self) -> None:
        """More than two tries per user on average are not stuffing."""
        assert "credential_stuffing" not in ids(review(crowd(15, 3, NOON, 14 * MINUTE)))

    def test_found_early(self) -> None:
        """A list of half unknown names is recognised within forty attempts."""
        attempts = crowd(2_000, 1, NOON, 4 * HOUR)
        assert ids(review(attempts[:40])) & {
            "credential_stuffing",
            "password_spraying",
            "account_enumeration",
        }


class TestAccountEnumeration:
    def test_unknown_names(self) -> None:
        """Ten unknown names within the hour are an enumeration; nine are not."""
        asked = [(NOON + i * 5 * MINUTE, i + 1, True) for i in range(10)]
        assert ids(review(asked)) == {"account_enumeration"}
        assert not review(asked[:9])

    def test_one_unknown_name_again_and_again(self) -> None:
        """The same unknown name counts once."""
        assert ids(review([(NOON + i * MINUTE, 1, True) for i in range(40)])) == {"brute_force"}


class TestSubjects:
    def test_ipv4_networks_are_not_attackers(self) -> None:
        """A /24 gives no finding: its addresses belong to many."""
        assert not review(crowd(40, 2, NOON, 9 * MINUTE), ("prefix", "203.0.113.0/24"))

    def test_ipv6_attackers_are_their_network(self) -> None:
        """An IPv6 attacker rotates inside its /64: it is named once, as that prefix."""
        attack = crowd(40, 2, NOON, 9 * MINUTE)
        assert "brute_force" in ids(review(attack, ("prefix", "2001:db8:0:1::/64")))
        assert not review(attack, ("ip", "2001:db8:0:1::7"))

    @pytest.mark.parametrize("kind", ["asn", "country", "ua", "tenant"])
    def test_other_subjects_are_not_asked_about(self, kind: str) -> None:
        """The source detectors look at addresses and prefixes only."""
        assert not review(crowd(40, 2, NOON, 9 * MINUTE), (kind, "1"))

    def test_crowd_behind_one_address(self) -> None:
        """An office or carrier whose users mistype and get in opens nothing, however many they are."""
        for users in (40, 400, 2_000):
            found = crowd(users, 2, NOON, HOUR)
            assert not review(found, own=frozenset(user for _, user, _ in found)), users

    def test_one_stranger_in_a_large_crowd(self) -> None:
        """One unexplained user among thousands is not blown up to a spraying."""
        found = crowd(3_000, 2, NOON, 20 * MINUTE)
        own = frozenset(sorted({user for _, user, _ in found})[1:])
        assert not review(found, own=own)

    def test_many_strangers_in_a_large_crowd(self) -> None:
        """An attack that makes up a third of a large crowd's failures is found."""
        found = crowd(3_000, 2, NOON, 20 * MINUTE)
        own = frozenset(user for _, user, _ in found if user % 3)
        assert ids(review(found, own=own)) >= {"brute_force", "credential_stuffing", "account_enumeration"}


def everything(share: list[Buckets], own: frozenset[int] = frozenset()) -> list[Finding]:
    """All findings on the attacker over the shares of several partitions."""
    return ENGINE.review(ATTACKER, unite(share), own, DEFAULT)


@given(
    failures(most=150, users=40, minutes=3000, least=20), st.randoms(use_true_random=False), st.integers(2, 4)
)
def test_findings_are_a_function_of_the_set(found: list[Failure], random: Random, parts: int) -> None:
    """Any arrival order, any split over partitions and any order of uniting give the same findings."""
    own = frozenset(user for _, user, _ in found[::5])
    shuffled = random.sample(found, len(found))
    dealt: list[list[Failure]] = [[] for _ in range(parts)]
    for failure in shuffled:
        random.choice(dealt).append(failure)
    expected = everything([buckets_of(found)], own)
    assert everything([buckets_of(shuffled)], own) == expected
    assert everything(shares_of(shuffled, parts), own) == expected
    split = [buckets_of(share) for share in dealt]
    assert everything(split, own) == everything(split[::-1], own) == expected


@settings(max_examples=20)
@given(st.integers(300, 600), st.randoms(use_true_random=False))
def test_findings_are_a_function_of_the_set_beyond_the_sketch(users: int, random: Random) -> None:
    """The same holds where sketches dropped hashes."""
    found = crowd(users, 2, NOON, 25 * MINUTE)
    own = frozenset(user for _, user, _ in found[::2])
    shuffled = random.sample(found, len(found))
    assert everything(shares_of(shuffled, 3), own) == everything([buckets_of(found)], own)


@given(failures(most=150, users=40, minutes=3000, least=20))
def test_findings_say_what_they_rest_on(found: list[Failure]) -> None:
    """A finding lies in its slot, counts all failures of its buckets and is sure of itself between .5 and .9."""
    buckets = buckets_of(found)
    for finding in ENGINE.review(ATTACKER, buckets, frozenset(), DEFAULT):
        inside = [bucket for index, bucket in buckets.items() if finding.lo <= index <= finding.hi]
        assert finding.support == sum(bucket.failures for bucket in inside)
        assert (finding.first, finding.last) == (min(b.first for b in inside), max(b.last for b in inside))
        assert finding.slot <= finding.lo * BUCKET < finding.slot + SLOT
        assert 0.5 <= finding.strength <= 0.9
        assert 0 < finding.evidence["peak"] <= finding.evidence["failures"] <= finding.support


def test_reviewing_changes_nothing() -> None:
    """The buckets are the same after a review as before."""
    buckets = buckets_of(crowd(400, 3, NOON, HOUR))
    before = {index: sources.encode(bucket) for index, bucket in buckets.items()}
    ENGINE.review(ATTACKER, buckets, frozenset({1}), DEFAULT)
    assert {index: sources.encode(bucket) for index, bucket in buckets.items()} == before
