"""A flood for benchmarks: failures from random addresses on random names, hardly two of them alike."""

from collections.abc import Iterator

from gatewatch.core.events import App
from gatewatch.core.times import DAY, SECOND
from gatewatch.simulator.agents import CLIENTS, agent
from gatewatch.simulator.emit import Emitter
from gatewatch.simulator.labels import Label, Simulated
from gatewatch.simulator.names import unknown_name
from gatewatch.simulator.network import build_internet
from gatewatch.simulator.presence import Where
from gatewatch.simulator.seeds import stream


def flood(
    seed: int, count: int, start: int, *, rate: float = 1_000.0, tenant_id: str = "default"
) -> Iterator[Simulated]:
    """`count` failures from `start` (µs), on average `rate` per second of event time; no memory at all."""
    rng = stream(seed, "flood")
    emit = Emitter(tenant_id, App("portal", "Portal"), rng)
    lines = [line for place in build_internet().places for line in place.isps]
    time = start
    for _ in range(count):
        time += int(rng.expovariate(rate) * SECOND)
        ua = agent(rng.randrange(len(CLIENTS)), rng.getrandbits(6), time // DAY)
        where = Where(rng.choice(lines).fresh(rng), ua, "")
        event = emit.failure(time, unknown_name(rng), where, "unknown_user")
        label = Label(event.event_id, "flood", "flood-0", "attack", event.user.name, event.ip)
        yield Simulated(event, label)
