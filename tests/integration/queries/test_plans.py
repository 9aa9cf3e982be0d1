"""Every filter of every list is answered from an index, in order, over several months: PostgreSQL's plans say so."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from gatewatch.adapters.postgres.queries import Filter, _counted, _network, statement
from gatewatch.adapters.postgres.statements import load
from gatewatch.adapters.postgres.stream import statement as stream_statement
from gatewatch.adapters.postgres.tenancy import TenantSession
from gatewatch.core.times import from_datetime
from gatewatch.read_ports import AnomalyFilter, DeadLetterFilter, EventFilter, Position, UserFilter
from gatewatch.stream_ports import Stretch
from tests.integration.queries.filling import DAY, EVENTS, NOW

PAGE = 50
#: A season: its plans go through four monthly partitions.
SEASON: dict[str, Any] = {"since": NOW - 100 * DAY, "until": NOW}
HOURS = 100 * 24

SINGLE = {
    "time": EventFilter(**SEASON),
    "user": EventFilter(user="user3611", **SEASON),
    "ip": EventFilter(network="10.1.17.3", **SEASON),
    "prefix": EventFilter(network="10.1.17.0/24", **SEASON),
    "narrower prefix": EventFilter(network="10.1.17.0/30", **SEASON),
    "asn": EventFilter(asn=64_117, **SEASON),
    "country": EventFilter(country="NG", **SEASON),
    "outcome": EventFilter(outcome="challenge", **SEASON),
    "common outcome": EventFilter(outcome="success", **SEASON),
    "detector": EventFilter(detector="impossible_travel", **SEASON),
    "score": EventFilter(min_score=90, **SEASON),
    "low score": EventFilter(min_score=1, **SEASON),
}
COMBINED = {
    "a user's failures": EventFilter(user="user3611", outcome="failure", **SEASON),
    "a user from an address": EventFilter(user="user3611", network="10.1.17.3", **SEASON),
    "a user with a detector": EventFilter(user="user3611", detector="new_device", **SEASON),
    "a user from a country": EventFilter(user="user3611", country="SE", **SEASON),
    "an address's successes": EventFilter(network="10.1.17.3", outcome="success", **SEASON),
    "a prefix's failures": EventFilter(network="10.1.17.0/24", outcome="failure", **SEASON),
    "a network's failures": EventFilter(asn=64_117, outcome="failure", **SEASON),
    "successes from a country": EventFilter(country="NG", outcome="success", **SEASON),
    "a detector's high scores": EventFilter(detector="brute_force", min_score=80, **SEASON),
    "high scores that got in": EventFilter(outcome="success", min_score=80, **SEASON),
}
#: The index that leads, by what its leaves' names have in them.
LEADING = {
    "user": "user_key",
    "ip": "prefix",
    "prefix": "prefix",
    "narrower prefix": "prefix",
    "detector": "score",
    "score": "score",
    "low score": "score",
}
OTHERS: dict[str, Filter] = {
    "anomalies by time": AnomalyFilter(**SEASON),
    "anomalies by severity": AnomalyFilter(severities=["high", "critical"], **SEASON),
    "anomalies by detector": AnomalyFilter(detector="impossible_travel", **SEASON),
    "anomalies by state": AnomalyFilter(state="open", **SEASON),
    "anomalies by status": AnomalyFilter(statuses=["new", "in_progress"], **SEASON),
    "anomalies by subject": AnomalyFilter(subject_kind="user", subject="user3611", **SEASON),
    "users by risk": UserFilter(sort="risk", **SEASON),
    "users by last seen": UserFilter(sort="last_seen", **SEASON),
    "dead letters by time": DeadLetterFilter(**SEASON),
    "dead letters by reason": DeadLetterFilter(reason="no_time", **SEASON),
}
ALL: dict[str, Filter] = {**SINGLE, **COMBINED, **OTHERS}


@dataclass(frozen=True)
class Plan:
    """What PostgreSQL did for a page."""

    nodes: list[dict[str, Any]]

    @property
    def kinds(self) -> set[str]:
        """The kinds of nodes that ran."""
        return {node["Node Type"] for node in self.nodes}

    @property
    def indexes(self) -> set[str]:
        """The indexes that were read, those of the counts left out."""
        read = [node for node in self.nodes if "Index Name" in node and node["Actual Loops"]]
        return {node["Index Name"] for node in read if not _is_count(node)}

    @property
    def rows_read(self) -> int:
        """Rows that were fetched from tables, those that did not match included; those of the counts are told apart."""
        return sum(_fetched(node) for node in self.nodes if "Index Name" in node and not _is_count(node))

    @property
    def counts_read(self) -> int:
        """Rows of the counts that were looked at."""
        return sum(_fetched(node) for node in self.nodes if "Index Name" in node and _is_count(node))


def _fetched(node: dict[str, Any]) -> int:
    return int(node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)))


def _is_count(node: dict[str, Any]) -> bool:
    return str(node["Relation Name"]).startswith("activity")


def plan(reader: TenantSession, wanted: Filter, after: Position | None = None) -> Plan:
    """The plan of a page, as it ran."""
    return explained(reader, *statement(wanted, PAGE, after))


def explained(reader: TenantSession, query: str, parameters: dict[str, Any]) -> Plan:
    """The plan of a statement, as it ran."""
    ((found,),) = reader.rows(f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {query}", parameters)
    return Plan(list(_nodes(found[0]["Plan"])))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def in_order(found: Plan) -> bool:
    """Whether rows come in order from indexes: nothing is read whole, and only rows of one time, or the page's of one
    hour, are sorted; and hours, which are no rows.
    """
    unordered = {"Seq Scan", "Bitmap Heap Scan", "Hash Join", "Hash", "Materialize"}
    sorts = [node for node in found.nodes if node["Node Type"] == "Incremental Sort"]
    hours = [node for node in found.nodes if node["Node Type"] == "Sort"]
    return (
        not found.kinds & unordered
        and all(len(node["Presorted Key"]) == 1 for node in sorts)
        and all("ProjectSet" in {child["Node Type"] for child in node["Plans"]} for node in hours)
    )


@pytest.mark.parametrize("name", ALL)
def test_a_first_page_comes_in_order_from_an_index(reader: TenantSession, name: str) -> None:
    """A first page is read in order from an index; no month is sorted, no table is read whole."""
    assert in_order(plan(reader, ALL[name]))


@pytest.mark.parametrize("name", ALL)
def test_a_later_page_comes_in_order_from_an_index(reader: TenantSession, name: str) -> None:
    """A later page begins where the one before ended, and does not walk over what was shown."""
    by_risk = name == "users by risk"
    middle = from_datetime(NOW - 50 * DAY)
    after = Position(middle / 1e6 / 604_800 if by_risk else middle, "8")
    found = plan(reader, ALL[name], after)
    assert in_order(found)
    newest = {
        node["Relation Name"] for node in found.nodes if "Relation Name" in node and node["Actual Loops"]
    }
    assert "login_events_2026_04" not in newest


@pytest.mark.parametrize("name", SINGLE)
def test_a_filter_of_events_reads_little_else(reader: TenantSession, name: str) -> None:
    """A page of one filter reads its own rows and few others; a rare value is found by its index, or in the hours that
    its counts name: eight partitions have an hour each, and six times as many counts of outcomes.
    """
    found = plan(reader, SINGLE[name])
    assert found.rows_read <= 8 * PAGE
    assert found.counts_read <= HOURS * 8 * (6 if "outcome" in name else 1)
    lead = LEADING.get(name, "asn_country_outcome")
    assert {lead in index for index in found.indexes} == {True}


@pytest.mark.parametrize("name", ["user", "ip", "prefix", "asn", "country", "detector", "score"])
def test_without_a_beginning(reader: TenantSession, name: str) -> None:
    """Without a lower end the months are read one after the other, and no more of them than the page needs."""
    filters = {key: getattr(SINGLE[name], key) for key in SINGLE[name].__struct_fields__}
    found = plan(reader, EventFilter(**{**filters, "since": None, "until": None}))
    assert in_order(found)
    unread = [node for node in found.nodes if "Index Name" in node and not node["Actual Loops"]]
    assert unread or name in ("user", "ip")


def test_an_anomaly_is_found_by_its_key(reader: TenantSession) -> None:
    """An id, or the beginning of one, is looked up in the key and not among all anomalies."""
    for id in ("0123456789abcdef0123456789abcdef", "012345"):
        found = plan(reader, AnomalyFilter(id=id))
        assert "anomalies_pkey" in found.indexes
        assert found.rows_read <= 2


@pytest.mark.parametrize("name", ["ip", "prefix"])
@pytest.mark.parametrize("statement", ["activity_of_addresses", "tried"])
def test_the_page_of_an_address_reads_its_range(reader: TenantSession, name: str, statement: str) -> None:
    """What addresses did in a day is read from that day alone, and no month whole."""
    source = msgspec.structs.replace(SINGLE[name], since=NOW - DAY)
    wanted = {**msgspec.structs.asdict(source), **_network(source.network), "step": DAY / 24, "limit": PAGE}
    found = explained(reader, load("queries.sql")[statement], {**wanted, "most": 1_000})
    assert "Seq Scan" not in found.kinds
    assert found.rows_read <= EVENTS / 120 * 1.1


@pytest.mark.parametrize("name", ["asn", "country"])
@pytest.mark.parametrize("statement", ["activity_of_value", "tried_in_hours"])
def test_the_page_of_a_network_reads_its_counts(reader: TenantSession, name: str, statement: str) -> None:
    """What a network or a country did in a season is read from its counts, and of its events only the latest."""
    wanted = {**msgspec.structs.asdict(SINGLE[name]), **_counted(SINGLE[name]), "step": DAY, "limit": PAGE}
    found = explained(reader, load("queries.sql")[statement], {**wanted, "most": 30, "hours": HOURS})
    assert not found.kinds & {"Seq Scan", "Bitmap Heap Scan"}
    assert 0 < found.counts_read <= HOURS * 8
    assert found.rows_read <= 2 * 30


@pytest.mark.parametrize("name", ["events", "waiting"])
def test_the_stream_reads_what_is_new(reader: TenantSession, name: str) -> None:
    """What was stored since is read by its place from an index, over all months, and nothing else."""
    stretches = [Stretch(part, EVENTS - 400, EVENTS - 240) for part in range(8)]
    found = explained(reader, *stream_statement(name, stretches, each=62, most=1_000))
    assert not found.kinds & {"Seq Scan", "Bitmap Heap Scan"}
    full = {index for index in found.indexes if "2026_05" not in index}  # of an empty month any will do
    assert {"tenant_id_part_off" in index for index in full} == {True}
    assert found.rows_read == 160


@pytest.mark.parametrize("name", ["activity", "anomaly_activity", "top", "backlog", "dead_letter_count"])
def test_overviews_read_their_range(reader: TenantSession, name: str) -> None:
    """Series and top lists read the rows of their range from an index, and no table whole."""
    day = {"since": NOW - DAY, "until": NOW, "step": DAY}
    query = load("queries.sql")[name]
    found = explained(reader, query, {**day, "kind": "ip", "by": "events", "limit": 10, "most": 100})
    assert not found.kinds & {"Seq Scan", "Bitmap Heap Scan"}
    assert 0 < found.rows_read + found.counts_read <= 3_000
