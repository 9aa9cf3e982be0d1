"""Attacks on many accounts: stuffing leaked passwords, spraying common ones, looking for names."""

from collections.abc import Iterator, Sequence

from gatewatch.core.events import LoginEvent
from gatewatch.core.times import DAY, HOUR, MINUTE, SECOND
from gatewatch.simulator.population import User
from gatewatch.simulator.presence import Where
from gatewatch.simulator.scenarios.base import Scenario, Scene

_TAKEN = ("account_takeover",)


def stuffing(scene: Scene) -> Iterator[LoginEvent]:
    """A list of leaked names and passwords: each name once, some twice; many are not known here."""
    rng = scene.rng
    size = scene.log_between(250, 1_500)
    people = scene.people(int(size * (0.25 + 0.35 * rng.random())))
    cracked = _cracked(scene, people, 0.015)
    tries: list[User | str] = [*people, *scene.unknown_names(size - len(people))]
    tries += rng.sample(tries, size // 10)
    rng.shuffle(tries)
    where = [scene.rented() for _ in range(rng.randint(1, 4))]
    gap = 60 / scene.log_between(25, 100)
    for number, (time, target) in enumerate(zip(scene.rhythmic(len(tries), gap), tries, strict=True)):
        yield from _try(scene, time, target, where[number % len(where)], cracked)


def spraying_fast(scene: Scene) -> Iterator[LoginEvent]:
    """One source tries a handful of common passwords on everybody, one password per round, within an hour or two."""
    rng = scene.rng
    targets = _directory(scene, scene.log_between(40, 150))
    cracked, where = _cracked(scene, targets, 0.01), scene.rented()
    gap, time = 1.5 + 5 * rng.random(), scene.start
    for _ in range(rng.randint(3, 6)):
        rng.shuffle(targets)
        for target in targets:
            yield from _try(scene, time, target, where, cracked, chance=0.4)
            time += int(gap * (0.5 + rng.random()) * SECOND)
        time += scene.between(4 * MINUTE, 9 * MINUTE)


def spraying_slow(scene: Scene) -> Iterator[LoginEvent]:
    """The same over one to three days: minutes between two tries, hours between two tries of one account."""
    rng = scene.rng
    targets = _directory(scene, scene.log_between(60, 200))
    cracked, where = _cracked(scene, targets, 0.01), scene.rented()
    length, a_round = scene.length(DAY, 3 * DAY), scene.between(5 * HOUR, 7 * HOUR)
    rounds = max(2, length // a_round)
    for number in range(rounds):
        rng.shuffle(targets)
        times = scene.paced(len(targets), scene.start + number * length // rounds, length // rounds)
        for time, target in zip(times, targets, strict=True):
            yield from _try(scene, time, target, where, cracked, chance=0.3)


def spraying_distributed(scene: Scene) -> Iterator[LoginEvent]:
    """A botnet shares the work: many sources, many accounts, one to three tries each."""
    rng = scene.rng
    targets = _directory(scene, scene.log_between(80, 200))
    cracked = _cracked(scene, targets, 0.01)
    where = [Where(ip, scene.popular(), "") for ip in scene.proxies(scene.log_between(40, 150))]
    tries = [target for target in targets for _ in range(rng.randint(1, 3))]
    rng.shuffle(tries)
    times = scene.paced(len(tries), scene.start, scene.length(HOUR, 3 * HOUR))
    for time, target in zip(times, tries, strict=True):
        yield from _try(scene, time, target, rng.choice(where), cracked, chance=0.6)


def enumeration(scene: Scene) -> Iterator[LoginEvent]:
    """One source asks for names, most of which nobody has."""
    rng, where = scene.rng, scene.rented()
    unknown = scene.unknown_names(scene.log_between(40, 300))
    tries: list[User | str] = [*unknown, *scene.people(max(1, len(unknown) // rng.randint(6, 20)))]
    rng.shuffle(tries)
    for time, target in zip(scene.rhythmic(len(tries), 1 + 4 * rng.random()), tries, strict=True):
        yield from _try(scene, time, target, where, set())


def _directory(scene: Scene, count: int) -> list[User | str]:
    """A list of an organisation's accounts with a few that no longer exist."""
    people = scene.people(count)
    return [*people, *scene.unknown_names(len(people) // 20)]


def _cracked(scene: Scene, targets: Sequence[User | str], share: float) -> set[int]:
    """The numbers of the people whose password will be right; mostly at least one, without a second factor."""
    people = [target for target in targets if isinstance(target, User)]
    cracked = {user.index for user in people if scene.rng.random() < share}
    weak = [user.index for user in people if not user.mfa]
    if weak and scene.rng.random() < 0.8:
        cracked.add(scene.rng.choice(weak))
    return cracked


def _try(
    scene: Scene, time: int, target: User | str, where: Where, cracked: set[int], chance: float = 1.0
) -> Iterator[LoginEvent]:
    """One password on one name; a cracked account opens with `chance` per try, once."""
    if isinstance(target, str):
        yield scene.emit.failure(time, target, where, "unknown_user")
    elif target.index in cracked and scene.rng.random() < chance:
        cracked.discard(target.index)
        yield from scene.got_in(time, target, where)
    else:
        yield scene.emit.failure(time, target.identity.name, where)


SCENARIOS = (
    Scenario("stuffing", "attack", stuffing, HOUR, expected=("credential_stuffing",), after_success=_TAKEN),
    Scenario(
        "spraying_fast",
        "attack",
        spraying_fast,
        2 * HOUR,
        expected=("password_spraying",),
        after_success=_TAKEN,
    ),
    Scenario(
        "spraying_slow",
        "attack",
        spraying_slow,
        3 * DAY,
        expected=("password_spraying",),
        after_success=_TAKEN,
    ),
    Scenario("spraying_distributed", "attack", spraying_distributed, 3 * HOUR, after_success=_TAKEN),
    Scenario("enumeration", "attack", enumeration, HOUR, expected=("account_enumeration",)),
)
