"""How well: what is found in labelled worlds, how soon, and what is claimed without cause.

    python -m benchmarks.quality --seed 7 --users 300 --days 30 [--kind enterprise|consumer] [--runs 8]

Everything runs in memory and in event time. The first fifth of a world is quiet: nothing is judged there.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from benchmarks.replay import Plan, Replay, Verdict
from gatewatch.core import anomalies
from gatewatch.core.anomalies import Anomaly
from gatewatch.core.events import LoginEvent
from gatewatch.core.policy import DEFAULT, Policy
from gatewatch.core.signals import Assessment
from gatewatch.core.times import DAY, MINUTE
from gatewatch.detectors import default_engine
from gatewatch.simulator.labels import Campaign, Label
from gatewatch.simulator.population import Kind
from gatewatch.simulator.scenarios import SCENARIOS
from gatewatch.simulator.world import World

_LEVELS = ("none", "low", "medium", "high", "critical")


class Hit(msgspec.Struct, frozen=True):
    """One anomaly's hit by one event: which truth it belongs to, and when it came to be known."""

    anomaly: Anomaly
    label: Label | None
    known: int


class Result(msgspec.Struct):
    """What a replay collected."""

    logins: int = 0
    failures: int = 0
    hits: list[Hit] = msgspec.field(default_factory=list)
    scores: dict[str, list[int]] = msgspec.field(default_factory=lambda: defaultdict(list))
    signals: Counter[str] = msgspec.field(default_factory=Counter)


def run(world: World, policy: Policy = DEFAULT) -> Result:
    """Play a world through the engine."""
    plan, replay, result = Plan(), Replay(default_engine(), policy), Result()
    labels: dict[str, Label] = {}
    opens = world.calendar.start + (world.calendar.end - world.calendar.start) // 5
    for simulated in world.events():
        event = plan.enrich(simulated.event)
        if simulated.label is not None:
            labels[event.event_id] = simulated.label
        verdict = replay.feed(event)
        if event.time >= opens:
            _collect(result, verdict, simulated.label, labels, policy)
    return result


def _collect(
    result: Result, verdict: Verdict, label: Label | None, labels: Mapping[str, Label], policy: Policy
) -> None:
    event = verdict.event
    result.logins += event.is_success
    result.failures += event.outcome == "failure"
    _judge(result, event, verdict.assessment, label, event.time, policy)
    for login, assessment in verdict.doubts:
        _judge(result, login, assessment, labels.get(login.event_id), event.time, policy)
    for finding in verdict.findings:
        anomaly = anomalies.of_finding(event.tenant_id, finding, policy)
        result.hits.append(Hit(anomaly, label, event.time))


def _judge(
    result: Result, event: LoginEvent, assessment: Assessment, label: Label | None, known: int, policy: Policy
) -> None:
    if event.is_success:
        result.scores[label.scenario if label else "ordinary"].append(assessment.score)
    if label is None or label.kind == "decoy":
        result.signals.update(s.detector for s in assessment.signals if s.strength >= policy.open_strength)
    for anomaly in anomalies.hits_of(event, assessment, policy):
        result.hits.append(Hit(anomaly, label, known))


def report(world: World, result: Result) -> list[str]:
    """The lines of the report."""
    campaigns = world.campaigns()
    return [
        *_found(campaigns, result.hits),
        "",
        *_false(campaigns, result),
        "",
        *_score_table(result.scores),
    ]


def _found(campaigns: Sequence[Campaign], hits: Iterable[Hit]) -> list[str]:
    """Per scenario of attack: campaigns found by an expected detector, by any, the successes found, the delay."""
    by_campaign: dict[str, list[Hit]] = defaultdict(list)
    for hit in hits:
        if hit.label is not None:
            by_campaign[hit.label.campaign].append(hit)
    rows: dict[str, list[tuple[Campaign, list[Hit]]]] = defaultdict(list)
    for campaign in campaigns:
        if campaign.kind == "attack":
            rows[campaign.scenario].append((campaign, by_campaign[campaign.id]))
    lines = [
        f"{'scenario':28}{'found':>9}{'expected':>10}{'taken over':>12}{'first alert (median)':>24}  detectors"
    ]
    return lines + [_scenario_line(name, found) for name, found in sorted(rows.items())]


def _scenario_line(name: str, found: Sequence[tuple[Campaign, list[Hit]]]) -> str:
    delays = sorted(min(h.known for h in hits) - campaign.first for campaign, hits in found if hits)
    speakers = Counter(d for _, hits in found for d in {h.anomaly.detector for h in hits})
    expected = sum(any(h.anomaly.detector in c.expected for h in hits) for c, hits in found)
    taken = [(c, user) for c, _ in found for user in c.successes]
    caught = {
        (h.label.campaign, h.anomaly.subject)
        for _, hits in found
        for h in hits
        if h.label and h.label.success
    }
    seen = sum((c.id, user.strip().casefold()) in caught for c, user in taken)
    delay = f"{delays[len(delays) // 2] / MINUTE:.1f} min" if delays else "-"
    who = ", ".join(f"{d} {n}" for d, n in speakers.most_common())
    return (
        f"{name:28}{len(delays):>5}/{len(found):<3}{expected:>10}{seen:>8}/{len(taken):<3}{delay:>24}  {who}"
    )


def _false(campaigns: Sequence[Campaign], result: Result) -> list[str]:
    """Anomalies that no attack has a part in, per 10,000 logins: by decoy or ordinary life, detector and severity."""
    guilty = {h.anomaly.id for h in result.hits if h.label is not None and h.label.kind == "attack"}
    claimed: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for hit in result.hits:
        if hit.anomaly.id in guilty:
            continue
        where = hit.label.scenario if hit.label is not None else "ordinary"
        if _is_victim(campaigns, hit):
            where = "victims"
        seen = claimed[where, hit.anomaly.detector]
        seen[hit.anomaly.id] = max(seen.get(hit.anomaly.id, "none"), hit.anomaly.severity, key=_LEVELS.index)
    lines = [f"{'false anomalies':28}{'detector':26}" + "".join(f"{level:>10}" for level in _LEVELS)]
    for (where, detector), found in sorted(claimed.items()):
        counts = Counter(found.values())
        lines.append(f"{where:28}{detector:26}" + "".join(f"{counts[level]:>10}" for level in _LEVELS))
    whole = Counter(
        level for (where, _), found in claimed.items() if where != "victims" for level in found.values()
    )
    per = 10_000 / max(1, result.logins)
    lines.append(f"{'per 10k logins':54}" + "".join(f"{whole[level] * per:>10.2f}" for level in _LEVELS))
    return lines


def _is_victim(campaigns: Sequence[Campaign], hit: Hit) -> bool:
    """Whether the anomaly is about somebody who was under attack within a day."""
    time, subject = hit.anomaly.peak, hit.anomaly.subject
    return any(
        c.first - DAY <= time <= c.last + DAY and subject in {user.strip().casefold() for user in c.targets}
        for c in campaigns
        if c.kind == "attack"
    )


def _score_table(scores: Mapping[str, list[int]]) -> list[str]:
    """Scores of successful logins: quantiles, and the shares at or above the thresholds of the policy."""
    lines = [
        f"{'scores of successes':28}{'n':>8}{'p50':>6}{'p90':>6}{'p99':>6}{'p99.9':>7}{'≥ 20':>8}{'≥ 40':>8}{'≥ 50':>8}"
    ]
    for name, found in sorted(scores.items()):
        ranked = sorted(found)
        quantiles = [ranked[min(len(ranked) - 1, int(q * len(ranked)))] for q in (0.5, 0.9, 0.99, 0.999)]
        shares = [sum(score >= least for score in ranked) / len(ranked) for least in (20, 40, 50)]
        cells = "".join(f"{q:>{w}}" for q, w in zip(quantiles, (6, 6, 6, 7), strict=True))
        lines.append(f"{name:28}{len(ranked):>8}{cells}" + "".join(f"{share:>8.2%}" for share in shares))
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report of one world."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--kind", choices=("enterprise", "consumer"), default="enterprise")
    parser.add_argument("--runs", type=int, default=3, help="runs of every scenario")
    options = parser.parse_args(arguments)
    kind: Kind = options.kind
    world = World(
        options.seed,
        options.users,
        options.days,
        kind=kind,
        scenarios=dict.fromkeys(SCENARIOS, options.runs),
    )
    result = run(world)
    print(
        f"seed {options.seed}, {options.users} users, {options.days:g} days, {kind}, {options.runs} runs of each"
    )
    print(f"{result.logins} logins and {result.failures} failures judged")
    print("\n".join(report(world, result)))


if __name__ == "__main__":
    main()
