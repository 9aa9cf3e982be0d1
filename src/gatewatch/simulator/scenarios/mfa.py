"""Attacks on the second factor."""

from collections.abc import Iterator

from gatewatch.core.events import LoginEvent, ReasonClass
from gatewatch.core.times import HOUR, SECOND
from gatewatch.simulator.emit import PASSWORD_AND_PUSH
from gatewatch.simulator.population import User
from gatewatch.simulator.presence import Where
from gatewatch.simulator.scenarios.base import Scenario, Scene


def mfa_bombing(scene: Scene) -> Iterator[LoginEvent]:
    """The password is right: push after push, denied or ignored, until (two times in five) one is approved."""
    rng, victim = scene.rng, _enrolled(scene)
    where = Where(scene.hideout().fresh(rng), scene.popular(), "")
    time = scene.start
    for _ in range(scene.log_between(8, 40)):
        reason: ReasonClass = "mfa_denied" if rng.random() < 0.4 else "mfa_timeout"
        yield scene.emit.push(time, victim.identity, where, reason)
        time += scene.between(10 * SECOND, 45 * SECOND)
    if rng.random() < 0.4:
        yield scene.emit.push(time, victim.identity, where)
        yield scene.emit.success(time + 2 * SECOND, victim.identity, where, PASSWORD_AND_PUSH)


def _enrolled(scene: Scene) -> User:
    """Somebody with a history and a second factor (where there is nobody: somebody)."""
    for _ in range(200):
        user = scene.population.pick(scene.rng, scene.start)
        if user.mfa:
            return user
    return scene.population.pick(scene.rng, scene.start)


SCENARIOS = (Scenario("mfa_bombing", "attack", mfa_bombing, HOUR, after_success=("account_takeover",)),)
