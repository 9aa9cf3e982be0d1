"""One run of the fault test: everything is started, everything goes wrong, everything is checked."""

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from math import inf
from pathlib import Path
from typing import NamedTuple

import msgspec
import psycopg

from gatewatch.adapters.postgres.connection import Session
from gatewatch.adapters.postgres.server import EmbeddedPostgres
from gatewatch.adapters.postgres.store import PostgresStore
from gatewatch.bootstrap import SystemClock
from gatewatch.detectors import default_engine
from gatewatch.settings import Settings
from tests.faults import checks, face, findings, nemesis, scenario
from tests.faults.actors import Config, acknowledged
from tests.faults.apis import addresses
from tests.faults.listener import TENANT
from tests.faults.nemesis import Amounts, Nemesis
from tests.faults.processes import SENDERS, Children
from tests.faults.scenario import Chunk
from tests.faults.stored import Stored
from tests.faults.system import System
from tests.faults.witnesses import Witnessed, Witnesses
from tests.support.servers import SMALL, scratch_folder

ROLES = {
    "producer": "producer",
    "application": "application",
    "api-1": "api",
    "api-2": "api",
    "detector-1": "detector",
    "detector-2": "detector",
    "detector-3": "detector",
    "notifier-1": "notifier",
    "notifier-2": "notifier",
    "thief": "thief",
}
LEASE = 2.0
TICK = 0.05
#: How long nothing may become less of what is left to do, once nothing goes wrong any more (s).
CATCH_UP = 300.0


class Trial(NamedTuple):
    """What to run."""

    seed: int
    seconds: float
    events: int
    days: float
    amounts: Amounts
    bucket_life: float
    #: Longer than any transaction lives: a stopped one is ended when the lease is over and a claim waited a second.
    quiet: float = 7.0


class Lived(NamedTuple):
    """What happened in a run: how often what, who died by himself, what was told over HTTP."""

    happened: Counter[str]
    deaths: list[str]
    witnessed: Witnessed


class Report(NamedTuple):
    """What happened, and what is wrong."""

    happened: Counter[str]
    checked: Counter[str]
    violations: dict[str, list[str]]

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.violations.values())


Say = Callable[[str], None]


def run(trial: Trial, say: Say = print, keep: Path | None = None) -> Report:
    """Run a test on a server of its own, in a folder of its own (or in `keep`, which stays)."""
    with contextlib.ExitStack() as stack:
        folder = keep or stack.enter_context(scratch_folder())
        say(f"making {trial.events:,} events over {trial.days:g} days (seed {trial.seed})")
        chunks = scenario.make(trial.seed, trial.events, trial.days)
        scenario.save(chunks, folder / "script")
        server = stack.enter_context(EmbeddedPostgres(folder / "pg", durable=False, settings=SMALL))
        system = System(server, folder)
        system.prepare()
        lived = live(trial, system, chunks, say)
        report = check(chunks, system, lived.witnessed, say)
        report.violations["processes that died by themselves"] = lived.deaths
        report.happened.update(lived.happened)
        return report


def live(trial: Trial, system: System, chunks: list[Chunk], say: Say) -> Lived:
    """Run the system under faults until it has caught up with the script, and ask what was promised."""
    pace = 0.93 * trial.seconds
    config = Config(
        system.conninfo, _settings(trial, system), str(system.folder), 0.0, pace, len(chunks), system.keys
    )
    children = Children(config, ROLES)
    witnesses = Witnesses(system.folder, system.keys, trial.seed)
    rng = random.Random(trial.seed)
    hand = Nemesis(nemesis.plan(rng, trial.seconds, trial.amounts), system, children, rng)
    changes = Changes(system, len(chunks), config.acknowledged("producer"))
    try:
        children.start("api")
        _wait_for_apis(children)
        children.tell(msgspec.structs.replace(config, began=time.time() + 1.0))
        children.start()
        witnesses.start()
        began = time.monotonic()
        while time.monotonic() - began < trial.seconds or not hand.finished or not changes.finished:
            hand.turn(time.monotonic() - began)
            changes.turn()
            children.tend()
            time.sleep(TICK)  # the beat of the faults, not a wait for anything
        say(f"faults are over after {time.monotonic() - began:.0f} s; catching up")
        children.all["thief"].retire()
        _catch_up(system, children, config, say)
        witnesses.rest()
        _catch_up(system, children, config, say)
        decided = [item for chunk in chunks for item in chunk if item.kind == "decided"]
        witnessed = witnesses.ask(decided, lambda: system.streamed(TENANT))
    finally:
        witnesses.finish()
        children.finish()
    happened = hand.done + changes.done + Counter(_told(witnessed))
    happened["records sent"] = sum(map(len, chunks))
    return Lived(happened, children.deaths + witnesses.failures, witnessed)


def _settings(trial: Trial, system: System) -> Settings:
    return Settings(
        geo_city=str(system.mmdb),
        lease_timeout=LEASE,
        batch_size=max(150, trial.events // 400),
        bucket_life=trial.bucket_life,
        review_quiet=trial.quiet,
        frequency_merge=3.0,
        stream_catch_up=2 * trial.events,
    )


def _told(witnessed: Witnessed) -> dict[str, int]:
    """How much was told over HTTP."""
    results = [request.results for request in witnessed.requests]
    outcomes = Counter(one.outcome for found in results if found for one in found)
    return {
        "decisions answered": len(witnessed.answers),
        "statuses changed": outcomes["changed"],
        "changes of statuses that came too late": outcomes["conflict"],
        "requests to change statuses without an answer": results.count(None),
        "connections of the stream's client": witnessed.connections,
        "messages of the stream": len(witnessed.told),
    }


class Changes:
    """What an operator does midway, at shares of the script."""

    def __init__(self, system: System, chunks: int, acknowledged: Path) -> None:
        self._acknowledged = acknowledged
        self._planned: list[tuple[float, str, Callable[[], None]]] = [
            (0.40 * chunks, "geo database replaced", system.move_places),
            (0.50 * chunks, "partitions added", system.grow),
            (0.60 * chunks, "policy changed", system.change_policy),
        ]
        self.done: Counter[str] = Counter()

    @property
    def finished(self) -> bool:
        """Whether all was done."""
        return not self._planned

    def turn(self) -> None:
        """Do what is due; again in the next turn where the server is away."""
        if self._planned and acknowledged(self._acknowledged) >= self._planned[0][0]:
            with contextlib.suppress(psycopg.OperationalError):
                self._planned[0][2]()
                self.done[self._planned.pop(0)[1]] += 1


def _wait_for_apis(children: Children) -> None:
    """Wait until all listen: else a machine with other things to do would be through before they do."""
    apis, until = children.of("api"), time.monotonic() + CATCH_UP
    while len(addresses(apis[0].log.parent)) < len(apis):
        if time.monotonic() > until or any(api.ended() is not None for api in apis):
            raise AssertionError(f"no API: {apis[0].last_words()}")
        time.sleep(0.05)  # polls, with the deadline above


def _catch_up(system: System, children: Children, config: Config, say: Say) -> None:
    until, told, least = 0.0, 0.0, tuple[float, ...]((inf,))
    while True:
        children.tend()
        unsent = sum(config.chunks - acknowledged(config.acknowledged(sender)) for sender in SENDERS)
        left = (unsent, *system.left())
        if left < least:
            until, least = time.monotonic() + CATCH_UP, left
        if children.is_done(*SENDERS) and not any(left):
            return
        text = "to send {:,} chunks, to read {:,}, to review {:,}, to relay {:,}".format(*left)
        if time.monotonic() > until:
            raise AssertionError(f"not caught up: {text}")
        if time.monotonic() > told:
            told = time.monotonic() + 10.0
            say(f"  {text}")
        time.sleep(0.2)  # polls, with the deadline above


def check(chunks: list[Chunk], system: System, witnessed: Witnessed, say: Say) -> Report:
    """Compare what is stored with what must be."""
    began = time.monotonic()
    stored, sent, engine = Stored(system.superuser), checks.sent(chunks), default_engine()
    session = Session(system.conninfo)
    store = PostgresStore(session, SystemClock(), timedelta(seconds=LEASE))
    expected = findings.expected(engine, store, stored)
    violations = {
        "(a) acknowledged, stored exactly once": checks.acknowledged(sent, stored),
        "(a) dead letters": checks.dead_letters(sent, stored),
        "(b) replay gives the same": checks.replay(engine, stored),
        "(b) columns of anomalies": checks.anomaly_columns(stored),
        "(c) buckets of sources": checks.source_state(stored),
        "(c) counts of values": checks.value_counts(stored),
        "(c) roll-ups": checks.rollups(stored),
        "(d) findings on sources": findings.findings(expected, stored),
        "(e) outbox": checks.outbox(stored),
        "(f) doubted logins": findings.doubts(stored),
        "(g) offsets": checks.offsets(stored),
        "(h) decisions": face.decisions(sent, witnessed, stored),
        "(i) statuses": face.statuses(witnessed, stored),
        "(i) statuses as they are shown": face.shown(witnessed, stored),
        "(j) stream": face.stream(witnessed, stored),
    }
    session.close()
    say(f"checked in {time.monotonic() - began:.0f} s")
    return Report(Counter(), _sizes(stored), violations)


def _sizes(stored: Stored) -> Counter[str]:
    found = Counter(
        {
            "events stored": len(stored.events),
            "late": sum(row.late for row in stored.events),
            "held": sum(row.held for row in stored.events),
            "conflicts": len(stored.conflicts),
            "control records": len(stored.controls),
            "doubts": len(stored.doubts),
            "dead letters": len(stored.dead),
            "profiles": len(stored.users),
            "source buckets": len(stored.buckets),
            "source buckets deleted": len(stored.deleted),
            "anomalies": len(stored.anomalies),
            "findings withdrawn": sum(a.state == "withdrawn" for a, *_ in stored.anomalies.values()),
            "messages in the outbox": len(stored.outbox),
        }
    )
    found.update({f"findings {how}": n for how, n in findings.tolerated(stored).items()})
    return found
