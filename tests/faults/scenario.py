"""What is sent: simulated events with control records, repeats, strays, delays and bytes that nobody can read.

A script is a list of chunks, made from a seed. Each sender has its share of the kinds; it goes through the chunks in
order and repeats its share of one until that is acknowledged.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Literal

import msgspec

from gatewatch.core import records
from gatewatch.core.decisions import decision_id
from gatewatch.core.events import LoginEvent, User
from gatewatch.core.partitioning import partition_of
from gatewatch.core.records import ControlRecord, EventRecord, RejectRecord, content_digest
from gatewatch.core.times import DAY, HOUR, MINUTE, SECOND, isoformat
from gatewatch.simulator.labels import Simulated
from gatewatch.simulator.scenarios import SCENARIOS
from gatewatch.simulator.wire import native_json
from gatewatch.simulator.world import World

#: 2026-09-25T00:00:00Z: the worlds cross a month, and so a time partition.
START = 1_790_294_400_000_000
#: The log's partitions before and after its growth.
BEFORE, AFTER = 8, 12
#: Log keys of what has no id of its own; a trigger keeps where each came to lie.
GARBAGE, ANONYMOUS, POISON = "@garbage", "@anonymous", "poison"
#: Shares of events that are sent again, sent to the wrong partition, delayed, judged.
REPEATS, STRAYS, DELAYED, CONTROLS = 0.02, 0.01, 0.05, 0.01
#: Shares of events that come in over HTTP, and of logins that are decided on.
POSTED, DECIDED = 0.10, 0.04
#: How far an event is delayed at most, in event time: within the lateness.
MOST_DELAY = 20 * HOUR
CHUNK = 100

#: Records for the log; the bodies of `POST /v1/events`; those of `POST` and `PATCH /v1/decisions`.
Kind = Literal[
    "event",
    "repeat",
    "conflict",
    "control",
    "reject",
    "garbage",
    "foreign",
    "anonymous",
    "poison",
    "posted",
    "decided",
    "reported",
]
_ORIGIN = "faults"


class Item(msgspec.Struct, frozen=True, array_like=True):
    """Something to send. `stray` is added to the partition its key belongs to; None: the log's own choice. What is
    reported is of the decision `about`.
    """

    kind: Kind
    key: str
    value: bytes
    stray: int | None = None
    about: str = ""

    @property
    def tenant_id(self) -> str:
        """Whose it is."""
        return self.key.partition(":")[0]


Chunk = list[Item]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Chunk).decode
#: Items with the event time at which they are sent.
_Timed = Iterator[tuple[int, Item]]


def make(seed: int, events: int, days: float) -> list[Chunk]:
    """The chunks of a scenario of about `events` simulated events."""
    rng = Random(seed)
    timed: list[tuple[int, Item]] = []
    for world in _worlds(seed, events, days):
        happened = list(world.events())
        timed += _events(rng, happened)
        timed += _controls(rng, happened)
    timed += _oddities(rng, days)
    timed.sort(key=lambda found: found[0])
    return _chunks([item for _, item in timed])


def _worlds(seed: int, events: int, days: float) -> list[World]:
    """Two tenants, nine to one; every scenario as often as its share of the events stays about a third."""
    runs = max(1, round(events * 0.3 / 3_000))
    people = max(20, round(events * 0.6 / (2.35 * days)))
    scenarios = dict.fromkeys(SCENARIOS, runs)
    few = {"spraying_fast": 1, "takeover_naive": 1, "brute_force_single": 1, "office_nat": 1}
    return [
        World(seed, people, days, START, scenarios=scenarios, quiet_days=1.0),
        World(seed + 1, max(10, people // 9), days, START, scenarios=few, tenant_id="acme", quiet_days=1.0),
    ]


def _events(rng: Random, happened: Iterable[Simulated]) -> _Timed:
    for simulated in happened:
        item = event_item(simulated.event, rng)
        at = simulated.event.time
        if rng.random() < DELAYED:
            at += rng.randrange(MINUTE, MOST_DELAY)
        yield at, item
        if rng.random() < REPEATS:
            yield at + rng.randrange(0, 6 * HOUR), _repeat(rng, simulated.event, item)
        if item.kind == "decided" and rng.random() < 0.7:
            for report in _reports(rng, simulated.event, item):
                yield at + rng.randrange(0, 10 * MINUTE), report


def event_item(event: LoginEvent, rng: Random) -> Item:
    """An event as an edge, a stray producer or an application of its own puts it on the log, or asks the API."""
    key = f"{event.tenant_id}:{event.user_key}"
    chance = rng.random()
    if chance < POSTED:
        return Item("posted", key, native_json(event))
    if chance < POSTED + DECIDED and event.activity == "logon" and event.outcome in ("success", "failure"):
        tried = msgspec.structs.replace(event, outcome="unknown", reason="")
        return Item("decided", key, native_json(tried if rng.random() < 0.5 else event))
    chance = rng.random()
    if chance < 0.01:
        # As an application writes it: its own JSON under a key of its own, anywhere.
        return Item("foreign", key, native_json(event), rng.randrange(BEFORE))
    stray = rng.randrange(1, BEFORE) if chance < 0.01 + STRAYS else None
    return Item("event", key, records.encode(event_record(event)), stray)


def _reports(rng: Random, event: LoginEvent, asked: Item) -> list[Item]:
    """How a login ended that was decided on, and how its challenge did: in one report, or in two in any order."""
    ended = {"login": event.outcome, "occurred_at": isoformat(event.time + 3 * SECOND)}
    said = [ended]
    if event.is_success and rng.random() < 0.4:
        passed = {"challenge": rng.choice(("passed", "failed", "abandoned"))}
        said = [ended | passed] if rng.random() < 0.5 else [ended, passed]
    about = decision_id(event.tenant_id, event.event_id)
    return [Item("reported", asked.key, msgspec.json.encode(one), about=about) for one in said]


def event_record(event: LoginEvent) -> EventRecord:
    """The record an edge makes of an event."""
    raw = native_json(event)
    return EventRecord(event, raw, content_digest(raw), event.time + SECOND, origin=_ORIGIN)


def _repeat(rng: Random, event: LoginEvent, item: Item) -> Item:
    """The same again; one in four under the same id with another body, but for what is decided on once."""
    if item.kind in ("decided", "foreign") or rng.random() < 0.75:
        return Item("repeat", item.key, item.value, item.stray) if sender_of(item) == "producer" else item
    other = msgspec.structs.replace(event, reason="another body", port=event.port + 1)
    if item.kind == "posted":
        return Item("posted", item.key, native_json(other))
    record = msgspec.structs.replace(event_record(other), digest=content_digest(b"other", event.event_id))
    return Item("conflict", item.key, records.encode(record))


def _controls(rng: Random, happened: list[Simulated]) -> _Timed:
    """Verdicts and results of challenges on logins that worked, those of attackers preferred; some said twice."""
    successes = [s.event for s in happened if s.event.is_success]
    won = [s.event for s in happened if s.event.is_success and s.label is not None]
    for number in range(round(len(happened) * CONTROLS)):
        event = rng.choice(won if won and rng.random() < 0.4 else successes)
        said = rng.choice(("compromised", "safe", "passed", "failed"))
        control = ControlRecord(
            id=f"said-{number}",
            tenant_id=event.tenant_id,
            user_key=event.user_key,
            kind="verdict" if said in ("compromised", "safe") else "challenge",
            time=event.time + MINUTE,
            event_id=event.event_id,
            event_time=event.time,
            verdict=said,  # type: ignore[arg-type]  # one of the four
            received=event.time + HOUR,
            origin=_ORIGIN,
        )
        stray = rng.randrange(1, BEFORE) if rng.random() < 2 * STRAYS else None
        item = Item("control", control.key, records.encode(control), stray)
        at = event.time + rng.randrange(0, DAY)
        yield at, item
        if rng.random() < REPEATS:
            yield at + rng.randrange(0, HOUR), item


def _oddities(rng: Random, days: float) -> _Timed:
    """What nobody can read, what has no id, what an edge refused, and what the store will refuse."""
    for number in range(12):
        at = START + rng.randrange(round(days * DAY))
        yield at, Item("garbage", f"default:{GARBAGE}", b"\xc1" + rng.randbytes(30), rng.randrange(BEFORE))
        yield at + 1, _anonymous(at, number, rng)
        yield at + 2, _reject(at, number)
    yield START + round(days * 0.4 * DAY), _poison()


def _anonymous(at: int, number: int, rng: Random) -> Item:
    event = LoginEvent(
        event_id="",
        tenant_id="default",
        time=at,
        source="native",
        outcome="success",
        user=User(name=f"anonymous{number}"),
        ip=f"240.0.0.{number + 1}",
    )
    return Item("anonymous", f"default:{ANONYMOUS}", native_json(event), rng.randrange(BEFORE))


def _reject(at: int, number: int) -> Item:
    id = f"rejected-{number}"
    record = RejectRecord(id, "default", "native", "bad_json", "It is no JSON.", b"{", 1, "", at, _ORIGIN)
    return Item("reject", record.key, records.encode(record))


def _poison() -> Item:
    """An event of a user whom an injected constraint refuses; one that stays on its partition when the log grows."""
    name = next(
        name
        for name in (f"{POISON}{number}" for number in range(1_000))
        if partition_of(f"default:{name}", BEFORE) == partition_of(f"default:{name}", AFTER)
    )
    event = LoginEvent(
        event_id="poisoned",
        tenant_id="default",
        time=START + DAY,
        source="native",
        outcome="success",
        user=User(name=name),
        ip="240.0.0.99",
    )
    return Item("poison", f"default:{name}", records.encode(event_record(event)))


def _chunks(items: list[Item]) -> list[Chunk]:
    return [items[i : i + CHUNK] for i in range(0, len(items), CHUNK)]


def sender_of(item: Item) -> str:
    """Who sends it: the producer puts it on the log, an application speaks HTTP."""
    return "application" if item.kind in ("posted", "decided", "reported") else "producer"


def save(chunks: Iterable[Chunk], path: Path) -> None:
    """Write a script for the producer."""
    with path.open("wb") as file:
        for chunk in chunks:
            data = _encode(chunk)
            file.write(len(data).to_bytes(4, "big") + data)


def load(path: Path) -> Iterator[Chunk]:
    """The chunks of a script, one after the other."""
    with path.open("rb") as file:
        while size := file.read(4):
            yield _decode(file.read(int.from_bytes(size, "big")))
