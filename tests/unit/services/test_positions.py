"""Ids of the stream: whatever they say comes back, for their tenant alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.services import positions
from gatewatch.services.pages import BadQuery
from gatewatch.services.positions import BadId
from gatewatch.stream_ports import Positions, Stretch, behind

NUMBERS = st.dictionaries(st.integers(-3, 1_023), st.integers(1, 2**40), max_size=20)
POSITIONS = st.builds(Positions, NUMBERS, NUMBERS)


@given(POSITIONS)
def test_an_id_names_a_position(position: Positions) -> None:
    """A position is read from its id as it was written."""
    id = positions.write("acme", position.events, position.outbox)
    assert positions.read("acme", id) == position
    assert id.isascii()
    assert id.replace("-", "").replace("_", "").isalnum()


def test_the_largest_id_is_read() -> None:
    """With as many partitions as there can be, an id is still taken."""
    full = {part: 2**50 + part for part in range(1_024)}
    id = positions.write("acme", full, full)
    assert positions.read("acme", id) == Positions(full, full)


def test_nothing_is_named_that_is_at_its_beginning() -> None:
    """A partition that stands at 0 is as one that is not named: an id from before it was there is the same."""
    assert positions.read("acme", positions.write("acme", {0: 5, 1: 0}, {-1: 0})) == Positions({0: 5}, {})


@given(POSITIONS)
def test_an_id_is_for_its_tenant(position: Positions) -> None:
    """Another tenant's id is none."""
    with pytest.raises(BadId):
        positions.read("other", positions.write("acme", position.events, position.outbox))


@given(st.text(max_size=200))
def test_what_strangers_send(text: str) -> None:
    """Any text is either refused as a bad question, or one that we could have written."""
    try:
        found = positions.read("acme", text)
    except BadQuery:
        return
    assert positions.read("acme", positions.write("acme", found.events, found.outbox)) == found


@given(POSITIONS, POSITIONS)
def test_one_position_reaches_another(ours: Positions, theirs: Positions) -> None:
    """A position reaches another where nothing lies between them that it has not seen."""
    missing = [*behind(ours.events, theirs.events), *behind(ours.outbox, theirs.outbox)]
    assert ours.reaches(theirs) == (not missing)
    assert all(one.since < one.until for one in missing)


def test_what_lies_between() -> None:
    """Stretches are told for partitions that moved, new ones from their beginning."""
    assert behind({0: 5, 1: 7}, {0: 9, 1: 7, 2: 3}) == [Stretch(0, 5, 9), Stretch(2, 0, 3)]
