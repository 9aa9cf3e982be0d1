"""Bytes that a released version has written must be read for ever: `tests/data/golden` is never rewritten.

A new version adds files of its own; `python -m tests.unit.core.test_golden` writes those that are missing.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gatewatch.core import attributes, learning, profiles, sources
from gatewatch.core.learning import Change
from gatewatch.core.profiles import Profile
from gatewatch.core.sources import Bucket
from gatewatch.core.subjects import count_in
from gatewatch.core.times import DAY, HOUR, MINUTE
from tests.builders import AWAY_IP, LAGOS, SAFARI, START, burst, daily, learn, login

GOLDEN = Path(__file__).parents[2] / "data" / "golden"


def profile() -> Profile:
    """A profile with something in each of its fields."""
    state = learn(daily(40))
    learn(burst(12, START + 41 * DAY, ip=AWAY_IP), state)
    for number, op in enumerate(("hold", "revoke")):
        event = login(START + 41 * DAY + number * HOUR, ip=AWAY_IP, geo=LAGOS, ua=SAFARI)
        learn([event], state)
        ref = attributes.event_ref(event.event_id)
        change = Change(op=op, time=event.time, ref=ref, weight=1, values=attributes.values_of(event))
        learning.apply(state, change)
    return state


def bucket() -> Bucket:
    """A bucket whose sketch dropped hashes, with known and unknown names."""
    found = Bucket(START, START)
    for i in range(600):
        count_in(found, START + i * MINUTE // 60, i % 300 * 14_316_557, i % 4 == 0)
    return found


def shown(value: Any) -> str:
    """The value as readable JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode() + "\n"


FILES: dict[str, tuple[Any, Any, Any]] = {
    "profile-v1": (profile, profiles.encode, profiles.decode),
    "bucket-v1": (bucket, sources.encode, sources.decode),
}


@pytest.mark.parametrize("name", FILES)
def test_golden_bytes_are_read(name: str) -> None:
    """What version 1 wrote decodes to what it meant."""
    decoded = FILES[name][2]((GOLDEN / f"{name}.bin").read_bytes())
    assert json.loads(shown(decoded)) == json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.mark.parametrize("name", FILES)
def test_golden_bytes_are_written(name: str) -> None:
    """The present version still writes the bytes of version 1, for the same events."""
    make, encode, decode = FILES[name]
    data = (GOLDEN / f"{name}.bin").read_bytes()
    assert encode(decode(data)) == data
    assert encode(make()) == data


def test_profile_is_small() -> None:
    """A user with forty logins and an attack behind them takes about a kilobyte and a half."""
    assert len(profiles.encode(profile())) < 2_048


if __name__ == "__main__":
    for name, (make, encode, decode) in FILES.items():
        if not (GOLDEN / f"{name}.bin").exists():
            (GOLDEN / f"{name}.bin").write_bytes(encode(make()))
            (GOLDEN / f"{name}.json").write_text(shown(decode(encode(make()))))
