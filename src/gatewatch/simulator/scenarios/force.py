"""Attacks on one account: many passwords from one source, or from very many."""

from collections.abc import Iterator

from gatewatch.core.events import LoginEvent
from gatewatch.core.times import DAY, HOUR, MINUTE
from gatewatch.simulator.population import User
from gatewatch.simulator.presence import Where
from gatewatch.simulator.scenarios.base import Scenario, Scene

_TAKEN = ("account_takeover",)


def brute_force_single(scene: Scene) -> Iterator[LoginEvent]:
    """One source, one account, a password every few seconds; one time in three the last one is right."""
    victim, where = _victim(scene), scene.rented()
    times = scene.rhythmic(scene.log_between(60, 500), 0.8 + 6 * scene.rng.random())
    yield from _guess(scene, victim, [(time, where) for time in times], 0.35)


def brute_force_distributed(scene: Scene) -> Iterator[LoginEvent]:
    """One account, a source of its own for nearly every try: a burst of hours, or a trickle over days."""
    rng, victim = scene.rng, _victim(scene)
    burst = rng.random() < 0.5
    length = scene.length(HOUR, 3 * HOUR) if burst else scene.length(2 * DAY, 5 * DAY)
    where = [Where(ip, scene.popular(), "") for ip in scene.proxies(scene.log_between(80, 250))]
    times = scene.paced(round(len(where) * (1 + rng.random())), scene.start, length)
    tries = [(time, where[n] if n < len(where) else rng.choice(where)) for n, time in enumerate(times)]
    yield from _guess(scene, victim, tries, 0.25)


def _victim(scene: Scene) -> User:
    return scene.population.pick(scene.rng, scene.start)


def _guess(
    scene: Scene, victim: User, tries: list[tuple[int, Where]], success: float
) -> Iterator[LoginEvent]:
    for time, where in tries:
        yield scene.emit.failure(time, victim.identity.name, where)
    if scene.rng.random() < success:
        time, where = tries[-1]
        yield from scene.got_in(time + scene.between(MINUTE // 20, MINUTE // 4), victim, where)


SCENARIOS = (
    Scenario(
        "brute_force_single",
        "attack",
        brute_force_single,
        HOUR,
        expected=("brute_force",),
        after_success=_TAKEN,
    ),
    Scenario(
        "brute_force_distributed",
        "attack",
        brute_force_distributed,
        4 * DAY,
        expected=("distributed_brute_force",),
        after_success=_TAKEN,
    ),
)
