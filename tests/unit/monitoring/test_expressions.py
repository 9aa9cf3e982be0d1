"""Every expression of alerts and dashboards asks for metrics that there are, by labels and values that they have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import promql_parser
import pytest
from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    Matcher,
    MatchOp,
    MatrixSelector,
    VectorSelector,
)

from gatewatch.metrics import METRICS
from gatewatch.metrics.serving import registry
from tests.support.promtool import Check
from tests.support.servers import ROOT
from tests.unit.monitoring.rules import ALERTS, load

GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARDS = {path.stem: msgspec.json.decode(path.read_bytes()) for path in GRAFANA.glob("dashboards/*.json")}
#: What Prometheus adds to each series, and what Grafana puts in place of its own word.
ADDED = {"job", "instance"}
RATE_INTERVAL = "5m"
#: What may be done with something that only grows, before anything else.
OF_COUNTERS = {"rate", "increase", "irate"}


class Known(NamedTuple):
    """A series that can be asked for: whether it only grows, and its labels with all their values ({} where open)."""

    grows: bool
    labels: dict[str, set[str]]


def series() -> dict[str, Known]:
    """Every series there is, by its name."""
    found = {"up": Known(False, {})}
    for metric in METRICS:
        labels = {label.name: set() if label.open else {*label.values} for label in metric.labels}
        if metric.kind == "histogram":
            found |= {f"{metric.name}_{end}": Known(True, labels) for end in ("sum", "count")}
            found[f"{metric.name}_bucket"] = Known(True, labels | {"le": set()})
        else:
            found[metric.name] = Known(metric.kind == "counter", labels)
    for family in registry("detector").collect():  # and what the client knows of the process
        for sample in family.samples:
            if not sample.name.startswith("gatewatch_"):
                found[sample.name] = Known(
                    family.type == "counter", {label: set() for label in sample.labels}
                )
    return found


SERIES = series()


def plain(expression: str) -> str:
    """As Prometheus gets it."""
    return expression.replace("$__rate_interval", RATE_INTERVAL)


def expressions() -> Iterator[tuple[str, str]]:
    """(where, expression) of all alerts and dashboards."""
    for name, rule in ALERTS.items():
        yield name, rule["expr"]
    for name, board in DASHBOARDS.items():
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield f"{name}: {panel['title']} {target['refId']}", target["expr"]
        for note in board["annotations"]["list"]:
            yield f"{name}: {note['name']}", note["expr"]


EXPRESSIONS = {where: plain(expression) for where, expression in expressions()}


def findings(text: str) -> list[str]:
    """What is wrong with an expression."""
    return [*_wrong(promql_parser.parse(text), "")]


def _wrong(node: Expr, inside: str) -> Iterator[str]:
    """What is wrong below a node, which stands inside a call of the function `inside`."""
    if isinstance(node, VectorSelector):
        yield from _selected(node, inside)
        return
    if isinstance(node, MatrixSelector):
        yield from _selected(node.vector_selector, inside)
        return
    if isinstance(node, AggregateExpr) and node.modifier is not None:
        yield from _unknown(node.modifier.labels, node)
    if isinstance(node, BinaryExpr) and node.modifier is not None and node.modifier.matching is not None:
        yield from _unknown(node.modifier.matching.labels, node)
    function = node.func.name if isinstance(node, Call) else ""
    for child in children(node):
        yield from _wrong(child, function or (inside if not isinstance(node, AggregateExpr) else ""))


def children(node: Expr) -> list[Expr]:
    """What an expression is made of."""
    if isinstance(node, BinaryExpr):
        return [node.lhs, node.rhs]
    if isinstance(node, Call):
        return list(node.args)
    inner = getattr(node, "expr", None)
    return [inner] if inner is not None else []


def _selected(selector: VectorSelector, inside: str) -> Iterator[str]:
    known = SERIES.get(selector.name or "")
    if known is None:
        yield f"{selector.name}: there is no such metric"
        return
    if known.grows and inside not in OF_COUNTERS:
        yield f"{selector.name}: only grows, and is not looked at through {' or '.join(sorted(OF_COUNTERS))}"
    for matcher in selector.matchers.matchers:
        yield from _matched(selector.name or "", known, matcher)


def _matched(name: str, known: Known, matcher: Matcher) -> Iterator[str]:
    if matcher.name in ADDED:
        return
    if matcher.name not in known.labels:
        yield f"{name}: has no label {matcher.name}"
        return
    values = known.labels[matcher.name]
    wanted = [matcher.value] if matcher.op in (MatchOp.Equal, MatchOp.NotEqual) else matcher.value.split("|")
    for value in wanted:
        if values and value not in values:
            yield f"{name}: {matcher.name} is never {value}"


def _unknown(labels: list[str], node: Expr) -> Iterator[str]:
    """The labels that nothing below a node has."""
    there = {
        label
        for selector in selectors(node)
        for label in SERIES.get(selector.name or "", SERIES["up"]).labels
    }
    yield from (f"{label}: no metric here has it" for label in labels if label not in there | ADDED)


def selectors(node: Expr) -> Iterator[VectorSelector]:
    """All that an expression asks for."""
    if isinstance(node, VectorSelector):
        yield node
    elif isinstance(node, MatrixSelector):
        yield node.vector_selector
    else:
        for child in children(node):
            yield from selectors(child)


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_what_is_asked_for_is_there(where: str) -> None:
    """Each metric is on the list, has the labels and, where these are closed, the values; counters are seen by rate."""
    assert not findings(EXPRESSIONS[where])
    assert [*selectors(promql_parser.parse(EXPRESSIONS[where]))]


@pytest.mark.parametrize(
    ("expression", "finding"),
    [
        ("sum(rate(gatewatch_event_stored_total[5m]))", "no such metric"),
        ("gatewatch_batch_seconds", "no such metric"),
        ("sum(gatewatch_events_stored_total)", "only grows"),
        ("max(gatewatch_batch_seconds_sum) / max(rate(gatewatch_batch_seconds_count[1m]))", "only grows"),
        ('rate(gatewatch_events_stored_total{tenant="acme"}[5m])', "has no label tenant"),
        ('rate(gatewatch_events_stored_total{outcome="failed"}[5m])', "outcome is never failed"),
        ('gatewatch_partitions{ownership=~"alive|dead"}', "ownership is never dead"),
        ("sum by (source) (gatewatch_log_lag_records)", "source: no metric here has it"),
        ("gatewatch_partitions / on (part) gatewatch_partitions_owned", "part: no metric here has it"),
        ("deriv(sum(gatewatch_partition_lag)[10m:1m])", "no such metric"),
    ],
)
def test_the_check_finds_what_is_wrong(expression: str, finding: str) -> None:
    """A name, a label or a value that is none is found, wherever it stands."""
    assert any(finding in found for found in findings(expression))


def test_prometheus_takes_every_expression(check: Check, tmp_path: Path) -> None:
    """Prometheus's own parser takes those of the dashboards too, with the types of what they do."""
    rules = [{"record": f"test:{n}", "expr": text} for n, text in enumerate(EXPRESSIONS.values())]
    file = tmp_path / "rules.json"  # JSON is YAML
    file.write_bytes(msgspec.json.encode({"groups": [{"name": "dashboards", "rules": rules}]}))
    assert f"{len(EXPRESSIONS)} rules found" in check(tmp_path, "check", "rules", file.name)


def test_every_metric_is_looked_at() -> None:
    """No metric is there for nothing: an alert or a dashboard shows it."""
    asked = {
        selector.name or ""
        for text in EXPRESSIONS.values()
        for selector in selectors(promql_parser.parse(text))
    }
    unseen = [m.name for m in METRICS if not any(name.startswith(m.name) for name in asked)]
    assert not unseen


@pytest.mark.parametrize("name", ["operations", "security"])
def test_the_dashboards_are_whole(name: str) -> None:
    """Panels have ids and places of their own, say what they show in which unit, and take the data source chosen."""
    board = DASHBOARDS[name]
    assert board["uid"] == f"gatewatch-{name}"
    panels: list[Any] = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    for panel in panels:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        if panel["type"] != "row":
            assert panel["description"].endswith(".")
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
    assert not [
        (a["title"], b["title"]) for a in panels for b in panels if a["id"] < b["id"] and overlap(a, b)
    ]


def overlap(one: Any, other: Any) -> bool:
    """Whether two panels lie on each other."""
    a, b = one["gridPos"], other["gridPos"]
    beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
    return not beside and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]


def test_legends_name_labels_that_are_left() -> None:
    """What a legend shows is a label of its expression's result."""
    for board in DASHBOARDS.values():
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
                said = promql_parser.parse(plain(target["expr"]))
                assert shown <= left(said), (panel["title"], target["expr"])


def left(node: Expr) -> set[str]:
    """The labels that an expression's result can have."""
    if isinstance(node, AggregateExpr):
        return {*node.modifier.labels} if node.modifier is not None else set()
    if isinstance(node, VectorSelector | MatrixSelector):
        return {*SERIES[next(selectors(node)).name or ""].labels} | ADDED
    return set().union(*(left(child) for child in children(node)))


def test_the_provisioning_leads_to_the_dashboards() -> None:
    """Grafana finds its data source under the name that the dashboards choose, and the folder they are mounted in."""
    sources = load(GRAFANA / "provisioning/datasources/prometheus.yml")
    (source,) = sources["datasources"]
    for board in DASHBOARDS.values():
        (variable,) = board["templating"]["list"]
        assert (variable["type"], variable["query"]) == ("datasource", source["type"])
        assert variable["current"]["value"] == source["uid"]
    boards = load(GRAFANA / "provisioning/dashboards/gatewatch.yml")
    assert boards["providers"][0]["options"]["path"] == "/var/lib/grafana/dashboards"
