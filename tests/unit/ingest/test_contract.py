from hashlib import sha256

import msgspec
import pytest

from gatewatch.cli.imports import Source
from gatewatch.core.events import LoginEvent, User
from gatewatch.core.records import MAX_DEAD_LETTER
from gatewatch.core.times import MINUTE
from gatewatch.ingest.contract import MAX_AHEAD, Refused, file_identity, generated_id, record, rejected
from gatewatch.ingest.reasons import REASONS, reason_class
from gatewatch.ingest.registry import ADAPTERS
from tests.ingesting import NOW, arrival

EVENT = LoginEvent(
    event_id="e",
    tenant_id="acme",
    time=NOW,
    source="native",
    outcome="success",
    user=User(name="alice"),
    ip="::1",
)


def test_generated_id() -> None:
    """A generated id names file, place, repeat and content."""
    identity = file_identity(b"first line")
    assert len(identity) == 16
    assert generated_id(identity, 255, 3, b"content").startswith(f"{identity[:8]}-0000000000ff-0003-")


def test_generated_ids_sort_as_the_file() -> None:
    """Ids sort by offset, then by repeat, up to terabytes."""
    places = [(0, 0), (0, 1), (9, 0), (10, 0), (10, 9_999), (10**12, 0)]
    ids = [generated_id("ab" * 8, offset, repeat, b"") for offset, repeat in places]
    assert ids == sorted(ids)


def test_reject_keeps_the_head() -> None:
    """A reject keeps 64 KiB of its record, and size and hash of all of it."""
    raw = b"x" * 100_000
    kept = rejected(Refused("bad_json", "It is none."), "id", raw, arrival())
    assert (len(kept.raw), kept.size, kept.sha256) == (MAX_DEAD_LETTER, 100_000, sha256(raw).hexdigest())
    assert (kept.tenant_id, kept.source, kept.origin, kept.received) == ("acme", "native", "import-1", NOW)
    assert kept.key == "acme:@dead:id"


@pytest.mark.parametrize(("ahead", "clamped"), [(0, False), (MAX_AHEAD, False), (MAX_AHEAD + 1, True)])
def test_clamping(ahead: int, clamped: bool) -> None:
    """A time is clamped where it lies more than five minutes after the arrival."""
    assert MAX_AHEAD == 5 * MINUTE
    kept = record(msgspec.structs.replace(EVENT, time=NOW + ahead), b"", arrival())
    assert kept.time_by_arrival is clamped
    assert kept.event.time == (NOW if clamped else NOW + ahead)
    assert kept.event.flags == (("time_clamped",) if clamped else ())


def test_digest_leaves_out_what_is_ours() -> None:
    """Tenant, connector, id and flags are no part of the content; the user is."""
    base = record(EVENT, b"", arrival()).digest
    ours = msgspec.structs.replace(EVENT, event_id="f", tenant_id="x", source="y", flags=("zone_assumed",))
    assert record(ours, b"other bytes", arrival()).digest == base
    assert record(msgspec.structs.replace(EVENT, user=User(name="bob")), b"", arrival()).digest != base


def test_digest_of_a_stamp() -> None:
    """Where the year was resolved, the digest holds the stamp instead of the time."""
    first = record(EVENT, b"", arrival(), stamp="Nov 22 12:00:00")
    again = record(msgspec.structs.replace(EVENT, time=NOW - 10**13), b"", arrival(), stamp="Nov 22 12:00:00")
    assert first.digest == again.digest
    assert first.time_by_arrival
    assert again.time_by_arrival


@pytest.mark.parametrize("user", [User(), User(name="  "), User(email="a@example.org")])
def test_no_subject(user: User) -> None:
    """An event of nobody from nowhere is refused."""
    with pytest.raises(Refused) as refusal:
        record(msgspec.structs.replace(EVENT, user=user, ip=""), b"", arrival())
    assert refusal.value.reason == "no_subject"


def test_reasons_are_spelt_as_they_are_looked_up() -> None:
    """Each reason of the table is found, however its words are joined and in any case."""
    for reason, expected in REASONS.items():
        spelt = reason.replace("_", " ").upper()
        assert reason_class(reason, "failure") == reason_class(spelt, "failure") == expected


def test_every_source_can_be_imported() -> None:
    """The command line offers each adapter by its name."""
    assert [source.value for source in Source] == [*ADAPTERS]
