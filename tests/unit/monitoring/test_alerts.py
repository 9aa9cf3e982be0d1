"""Prometheus's configuration and alerts: promtool finds nothing wrong, each alert is tested, and has its runbook."""

from __future__ import annotations

import re

import pytest

from tests.support.promtool import Check
from tests.support.servers import ROOT
from tests.unit.monitoring.rules import ALERTS, PROMETHEUS, load

RUNBOOKS = ROOT / "docs" / "runbooks"


def test_the_configuration_is_sound(check: Check) -> None:
    """Prometheus takes the configuration, and the rules that it names."""
    assert "is valid prometheus config file syntax" in check(PROMETHEUS, "check", "config", "prometheus.yml")


def test_the_alerts_are_sound(check: Check) -> None:
    """Every rule is taken by promtool."""
    assert f"{len(ALERTS)} rules found" in check(PROMETHEUS, "check", "rules", "--lint-fatal", "alerts.yml")


def test_the_alerts_do_what_they_say(check: Check) -> None:
    """Their unit tests hold."""
    assert "SUCCESS" in check(PROMETHEUS, "test", "rules", "alerts.test.yml")


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tested_both_ways(alert: str) -> None:
    """For each there is a moment at which it fires, and one at which it does not."""
    moments = [
        bool(moment.get("exp_alerts"))
        for case in load(PROMETHEUS / "alerts.test.yml")["tests"]
        for moment in case["alert_rule_test"]
        if moment["alertname"] == alert
    ]
    assert set(moments) == {True, False}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_runbook(alert: str) -> None:
    """Its page says what it means, what to look at, and what to do; the index leads to it."""
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    page = ROOT / rule["annotations"]["runbook"]
    text = page.read_text("utf-8")
    assert text.startswith(f"# {alert}\n")
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## What it means",
        "## What to look at",
        "## What to do",
    ]
    row = f"| [{alert}]({page.name}) | {rule['labels']['severity']} |"
    assert row in (RUNBOOKS / "index.md").read_text("utf-8")


def test_every_runbook_has_an_alert() -> None:
    """No page is left of an alert that is none any more."""
    pages = {str(page.relative_to(ROOT)) for page in RUNBOOKS.glob("*.md")} - {"docs/runbooks/index.md"}
    assert pages == {rule["annotations"]["runbook"] for rule in ALERTS.values()}


def test_the_processes_that_are_scraped_are_the_alerts() -> None:
    """The alerts are about the jobs that the configuration has."""
    jobs = {config["job_name"] for config in load(PROMETHEUS / "prometheus.yml")["scrape_configs"]}
    matched = {match for rule in ALERTS.values() for match in re.findall(r'job=~"([^"]+)"', rule["expr"])}
    (pattern,) = matched
    ours = {job for job in jobs if re.fullmatch(pattern, job)}
    services = ("ingest", "decide", "app", "detector", "notifier", "connector")
    assert ours == {f"gatewatch-{name}" for name in services}
