"""Rows in which our own processes die, stop, come and go."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from gatewatch.ports import ANOMALIES
from tests.faults.matrix.published import consumed
from tests.faults.matrix.rows import Rows
from tests.faults.matrix.scene import PARTS, SESSION, Scene
from tests.faults.nemesis import state_of
from tests.faults.processes import Child

ROWS = Rows()

#: How long detectors come and go (s).
STORM = 20.0
#: What a detector may still take when its memory is limited (bytes).
SPARE = 4 << 20


def _detector_dies(scene: Scene, point: str) -> None:
    """One works; a second takes its share and dies at the point; it is started again when the first has taken over."""
    scene.begin(detectors=1)
    nth = scene.rng.randrange(10, 60)
    doomed = scene.start("detector-2", point, str(nth))
    dead = scene.dies(doomed)
    parts = scene.parts_of(doomed)
    scene.happened.append(f"died {point}, passing there for the {nth}th time, with {len(parts)} partitions")
    assert parts, "it died without partitions"
    scene.recovered(PARTS, dead + SESSION, since=dead)
    scene.start("detector-2")
    scene.until(lambda: len(scene.owners()) == 2, "both detectors to own partitions")
    scene.flow(2.0)


@ROWS.add("kill-before-swap", "kill -9 of a detector before the compare-and-swap")
def kill_before_swap(scene: Scene) -> None:
    """Nothing of the batch is stored."""
    _detector_dies(scene, "before the swap")


@ROWS.add("kill-after-copy", "kill -9 of a detector after COPY")
def kill_after_copy(scene: Scene) -> None:
    """The transaction ends with its connection."""
    _detector_dies(scene, "after COPY")


@ROWS.add("kill-before-commit", "kill -9 of a detector before COMMIT")
def kill_before_commit(scene: Scene) -> None:
    """Likewise, with everything written."""
    _detector_dies(scene, "before COMMIT")


@ROWS.add("kill-after-commit", "kill -9 of a detector after COMMIT, before it knew")
def kill_after_commit(scene: Scene) -> None:
    """The batch is stored, and nobody may do it again."""
    _detector_dies(scene, "after COMMIT")


def _notifier_dies(scene: Scene, point: str) -> None:
    scene.begin(notifiers=0)
    doomed = scene.start("notifier-1", point, str(scene.rng.randrange(2, 12)))
    scene.dies(doomed)
    scene.flow(scene.rng.uniform(0.5, 2.0))
    waiting: dict[int, int] = dict(scene.rows("SELECT part, out_seq FROM partitions"))
    started = time.monotonic()
    scene.start("notifier-1")
    relayed = scene.until(lambda: _relayed(scene, waiting), "what waited to be published")
    scene.happened.append(f"died {point}")
    scene.seconds.append(relayed - started)
    scene.flow(2.0)


def _relayed(scene: Scene, waiting: dict[int, int]) -> bool:
    done: dict[int, int] = dict(scene.rows("SELECT part, seq FROM outbox_positions"))
    return all(done.get(part, 0) >= seq for part, seq in waiting.items())


@ROWS.add(
    "kill-before-publish", "kill -9 of the notifier before it publishes", "recovery from its next start"
)
def kill_before_publish(scene: Scene) -> None:
    """What it had read is read again."""
    _notifier_dies(scene, "before publishing")


@ROWS.add(
    "kill-after-publish",
    "kill -9 of the notifier when it has published, before it remembers that",
    "repeats have the same id and content",
    "recovery from its next start",
)
def kill_after_publish(scene: Scene) -> None:
    """What it had published is published again, under the same ids."""
    _notifier_dies(scene, "after publishing")


@ROWS.add(
    "zombie", "SIGSTOP of a detector past its session time-out, then SIGCONT", "the zombie stores nothing"
)
def zombie(scene: Scene) -> None:
    """It is stopped in mid-computation, most likely with a batch that it read; others take over; then it goes on."""
    scene.begin()
    victim = scene.children[scene.rng.choice(["detector-1", "detector-2"])]
    parts = scene.parts_of(victim)
    stopped = _stop_in_code(victim)
    epochs = _epochs(scene, parts)
    scene.recovered(PARTS, stopped + SESSION, since=stopped)
    scene.flow(scene.rng.uniform(0.5, 3.0))
    scene.happened.append(f"stopped for {time.monotonic() - stopped:.1f} s with {len(parts)} partitions")
    if any(after <= before for before, after in zip(epochs, _epochs(scene, parts), strict=True)):
        scene.wrong.append("a partition of the zombie was not claimed anew")
    victim.resume()
    scene.until(lambda: len(scene.owners()) == 2, "the zombie to come back into the group")
    scene.flow(2.0)


def _stop_in_code(victim: Child) -> float:
    """Stop a process while it computes; when that was."""
    until = time.monotonic() + 5.0
    while True:
        running = state_of(victim.pid) == "R"
        victim.send(signal.SIGSTOP)
        if running or time.monotonic() > until:
            return time.monotonic()
        victim.send(signal.SIGCONT)
        time.sleep(0.003)  # runs on for a moment, to be caught elsewhere


def _epochs(scene: Scene, parts: Iterable[int]) -> list[int]:
    found: dict[int, int] = dict(scene.rows("SELECT part, epoch FROM partitions"))
    return [found[part] for part in parts]


@ROWS.add(
    "rebalance-storm",
    f"three detectors come and go every second, killed or asked to, for {STORM:g} s",
    "recovery from the last change of the group's members",
)
def rebalance_storm(scene: Scene) -> None:
    """Every second one starts, is killed, or is asked to end; in the end two work."""
    scene.begin()
    last, counts = 0.0, {"started": 0, "killed": 0, "ended": 0}
    until = time.monotonic() + STORM
    while time.monotonic() < until:
        child = scene.children.get(name := f"detector-{scene.rng.randrange(1, 4)}")
        if child is None or child.ended() is not None:
            scene.start(name)
            counts["started"] += 1
        elif scene.rng.random() < 0.6:
            child.kill()
            last = time.monotonic()
            counts["killed"] += 1
        else:
            child.killed = True  # it may not even have begun to listen
            child.send(signal.SIGTERM)
            counts["ended"] += 1
        scene.flow(scene.rng.uniform(0.6, 1.4))
    for name in ("detector-1", "detector-2"):
        if scene.children[name].ended() is not None:
            scene.start(name)
    over = time.monotonic()
    known = scene.regrouped(over, joined=True)
    stood = scene.watch.stood_still(until - STORM)
    counted = ", ".join(f"{n} {what}" for what, n in counts.items())
    scene.happened.append(f"{counted}; nothing was stored for {stood:.1f} s at most")
    scene.recovered(PARTS, max(last + SESSION, known), since=over)


@ROWS.add(
    "sigterm",
    "SIGTERM of a detector under load",
    "it ends with 0 and leaves the group",
    "no record read twice",
)
def sigterm(scene: Scene) -> None:
    """It stores what it has read, gives its partitions back, and the other goes on right behind."""
    scene.begin()
    scene.flow(2.0)
    victim = scene.children[scene.rng.choice(["detector-1", "detector-2"])]
    member, parts = scene.owners(), scene.parts_of(victim)
    asked = time.monotonic()
    victim.send(signal.SIGTERM)
    code, ended = victim.wait(30.0), time.monotonic()
    scene.happened.append(f"it took {ended - asked:.1f} s to end, with {len(parts)} partitions")
    if code:
        scene.wrong.append(f"the detector ended with {code}: {victim.last_words()}")
    scene.recovered(parts, ended, since=asked)
    if member <= scene.owners():
        scene.wrong.append("the detector that ended still owns partitions")
    scene.flow(2.0)
    scene.wrong += read_twice(scene.batches("detector-1", "detector-2"), asked)


def read_twice(batches: Iterable[tuple[float, str, int, int, int]], since: float) -> list[str]:
    """The stretches of partitions of which batches were made from a moment on that had been read before."""
    ends: dict[int, int] = {}
    wrong = []
    for when, who, part, first, end in batches:
        if when >= since and first < ends.get(part, 0):
            wrong.append(f"{who} read partition {part} from {first} on, which had been read to {ends[part]}")
        ends[part] = max(end, ends.get(part, 0))
    return wrong


@ROWS.add(
    "memory-limit", f"a detector gets no more than {SPARE >> 20} MiB of memory beside what it has (RLIMIT_AS)"
)
def memory_limit(scene: Scene) -> None:
    """It works on, or dies and is taken over, and is started again without the limit."""
    scene.begin()
    victim = scene.children[scene.rng.choice(["detector-1", "detector-2"])]
    parts = scene.parts_of(victim)
    most = _virtual(victim.pid) + SPARE
    resource.prlimit(victim.pid, resource.RLIMIT_AS, (most, most))
    limited, until = time.monotonic(), time.monotonic() + 15.0
    scene.load.faster(6.0)
    while victim.ended() is None and time.monotonic() < until:
        time.sleep(0.01)  # polls, with the deadline above
    scene.load.faster(1.0)
    if (code := victim.ended()) is None:
        scene.happened.append("it worked on")
        scene.recovered(parts, time.monotonic())
        return
    victim.killed, dead = True, time.monotonic()
    scene.happened.append(f"it ended with {code} after {dead - limited:.1f} s")
    scene.recovered(PARTS, dead + SESSION, since=dead)
    scene.start(victim.name)
    scene.until(lambda: len(scene.owners()) == 2, "both detectors to own partitions")


def _virtual(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize()


@ROWS.add("two-notifiers", "two notifiers at once", "repeats have the same id and content", recovers=False)
def two_notifiers(scene: Scene) -> None:
    """Both read the same outbox; what both publish is the same."""
    scene.begin(notifiers=2)
    scene.flow(12.0)
    scene.until(lambda: len(consumed(scene.settings, ANOMALIES)) > 20, "anomalies to be published")
