"""Rows in which Kafka, or the way to it, fails, or forgets."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable

from confluent_kafka import TopicPartition

from gatewatch import bootstrap
from gatewatch.ports import LOGINS
from tests.faults import checks
from tests.faults.checks import Sent
from tests.faults.matrix.client import Client
from tests.faults.matrix.ground import AWAY
from tests.faults.matrix.published import consumed
from tests.faults.matrix.rows import Rows
from tests.faults.matrix.scene import PARTS, Scene
from tests.faults.scenario import Item
from tests.faults.stored import Stored

ROWS = Rows()

#: What lies on the log: (key, value) by (partition, offset).
Lying = dict[tuple[int, int], tuple[str, bytes]]
#: What the log lost of a partition: (first offset, offset after the last).
Gaps = dict[int, tuple[int, int]]

#: Of rows in which the group may remember members who are no more: those that stayed away longer than their session.
REMEMBERED = "recovery from when the group knows the last of the dead"
#: How long an outage may last until the API says so: as long as an append may take, and a report of it (s).
NOTICED = 12.0


@ROWS.add("broker-restart", "the broker is restarted in order", REMEMBERED)
def restart(scene: Scene) -> None:
    """Everybody comes back, and the group remembers its members or forms anew."""
    _away(scene, scene.ground.broker.stop)


@ROWS.add("broker-crash", "kill -9 of the broker, which is started again", REMEMBERED)
def crash(scene: Scene) -> None:
    """What was acknowledged lies in its files."""
    _away(scene, scene.ground.broker.kill)


def _away(scene: Scene, end: Callable[[], None]) -> None:
    scene.begin()
    scene.flow(scene.rng.uniform(0.5, 2.0))
    ended = time.monotonic()
    end()
    scene.flow(scene.rng.uniform(0.5, 2.0))
    scene.ground.broker.start()
    over = time.monotonic()
    known = scene.regrouped(over)
    scene.recovered(PARTS, known, since=over)
    remembered = f", the last member forgotten {known - over:.1f} s later" if known > over else ""
    scene.happened.append(f"away for {over - ended:.1f} s{remembered}")
    scene.flow(3.0)


@ROWS.add(
    "broker-unreachable",
    f"no packet reaches the broker for {AWAY:g} s or longer (a proxy)",
    "the API answers 503 with Retry-After, never 202",
)
def unreachable(scene: Scene) -> None:
    """An application posts to the API all the while; it is told to come again, and does."""
    key = _key(scene)
    scene.begin()
    scene.tell({"default": key})
    scene.start("api-1")
    with Client(scene.folder, key, scene.rng) as client:
        scene.until(lambda: client.accepted > 10, "the API to take events")
        scene.ground.broker_proxy.stall()
        began = time.monotonic()
        try:
            scene.flow(scene.ground.away)
        finally:
            over = time.monotonic()
            scene.ground.broker_proxy.flow()
        scene.recovered(PARTS, over)
        taken = client.accepted
        scene.until(lambda: client.accepted > taken + 10, "the API to take events again")
    scene.extra += client.items
    scene.wrong += client.wrong(began, over, NOTICED)
    scene.happened.append(
        f"{over - began:.0f} s; {client.refused} posts answered 503; {scene.load.refusals} appends refused"
    )
    if not scene.load.refusals:
        scene.wrong.append("no append was refused")


def _key(scene: Scene) -> str:
    doing = bootstrap.administration(scene.settings.database_url, "default")
    try:
        return str(doing.keys.create("faults", ("ingest",), "faults", None))
    finally:
        doing.close()


@ROWS.add(
    "retention",
    "the log forgets records that nobody has read",
    "the gap is in log_gaps and in the detector's log; acknowledged = stored + exactly the gap",
    "recovery from the next detector's first claim",
)
def retention(scene: Scene) -> None:
    """With no detector there, records come; the broker deletes the first of them on two partitions."""
    scene.begin()
    scene.flow(4.0)
    scene.load.pause()
    scene.settle()
    for name in ("detector-1", "detector-2"):
        scene.children[name].send(signal.SIGTERM)
        scene.children[name].wait(30.0)
    scene.load.resume()
    scene.flow(6.0)
    scene.load.pause()
    lying = _everything(scene)
    gaps = _forget(scene, lying, scene.rng.sample(list(PARTS), 2))
    scene.load.resume()
    started, claims = time.monotonic(), _claims(scene)
    scene.start("detector-1")
    claimed = scene.until(lambda: _claims(scene) > claims, "a claim")
    scene.recovered(PARTS, claimed, since=started)
    scene.start("detector-2")
    scene.until(lambda: len(scene.owners()) == 2, "both detectors to own partitions")
    scene.flow(2.0)
    if scene.said("detector-1").count("a range of the log was lost") != len(gaps):
        scene.wrong.append("the detector did not say of each gap that it is there")
    scene.adjust = lambda sent, stored: _adjusted(scene, lying, gaps, sent, stored)


def _claims(scene: Scene) -> int:
    return scene.said("detector-1").count("partition claimed")


def _everything(scene: Scene) -> Lying:
    """All that lies on the log."""
    return {
        (m.partition() or 0, m.offset() or 0): ((m.key() or b"").decode(), m.value() or b"")
        for m in consumed(scene.settings, LOGINS)
    }


def _forget(scene: Scene, lying: Lying, parts: list[int]) -> Gaps:
    """Have the broker delete a third of what was not read of some partitions; what that is, by partition."""
    read: dict[int, int] = dict(scene.rows("SELECT part, next_offset FROM partitions"))
    gaps = {}
    for part in parts:
        unread = sorted(off for p, off in lying if p == part and off >= read[part])
        gaps[part] = (read[part], unread[len(unread) // 3] + 1)
    topic = scene.settings.kafka_prefix + LOGINS
    wanted = [TopicPartition(topic, part, end) for part, (_, end) in gaps.items()]
    for future in scene.admin.delete_records(wanted).values():
        future.result()
    scene.happened.append(f"{sum(end - first for first, end in gaps.values())} unread records deleted")
    return gaps


def _adjusted(scene: Scene, lying: Lying, gaps: Gaps, sent: Sent, stored: Stored) -> Sent:
    """What must be stored: all that ever lay on the log but for the gaps, of which each must be written down."""
    known = {(part, first, end) for part, (first, end) in gaps.items()}
    if set(stored.gaps) != known:
        scene.wrong.append(f"gaps: stored {sorted(stored.gaps)}, made {sorted(known)}")
    stored.gaps = []
    everything = lying | _everything(scene)
    lost = {place for place in everything if is_lost(place, gaps)}
    surviving = sent_by(everything[place] for place in sorted(everything.keys() - lost))
    scene.wrong += unaccounted(sent, surviving, sent_by(everything[place] for place in sorted(lost)))
    return surviving


def is_lost(place: tuple[int, int], gaps: Gaps) -> bool:
    """Whether a (partition, offset) lies in a gap."""
    first, end = gaps.get(place[0], (0, 0))
    return first <= place[1] < end


def sent_by(records: Iterable[tuple[str, bytes]]) -> Sent:
    """What records of the log, as (key, value), say."""
    return checks.sent([[Item("event", key, value) for key, value in records]])


def unaccounted(acknowledged: Sent, surviving: Sent, lost: Sent) -> list[str]:
    """What was acknowledged and neither survived nor lay in a gap; a gap in which nothing lay proves nothing."""
    wrong = [
        f"event {key} was acknowledged, and is neither on the log nor in a gap"
        for key in sorted(acknowledged.digests.keys() - surviving.digests.keys() - lost.digests.keys())
    ]
    if not lost.digests.keys() - surviving.digests.keys():
        wrong.append("no event was lost")
    return wrong
