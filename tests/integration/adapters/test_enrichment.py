from pathlib import Path
from time import perf_counter

import msgspec
import pytest

from gatewatch.adapters.enrichment import Enricher
from gatewatch.adapters.geo.build import build_mmdb
from gatewatch.adapters.geo.maxmind import MaxMind
from gatewatch.adapters.useragents import UserAgents
from gatewatch.core.events import MAX_USER_AGENT, Asn, Geo, LoginEvent, UserAgent

OSLO = Geo("NO", "Oslo", "Oslo", 59.9, 10.7, 20.0)
EXAMPLE = Asn(64500, "Example", "isp")
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
EVENT = LoginEvent(
    event_id="e",
    tenant_id="t",
    time=1,
    source="s",
    outcome="success",
    ip="203.0.113.7",
    ua=UserAgent(FIREFOX),
)


@pytest.fixture(scope="module")
def agents() -> UserAgents:
    """The parser, made once."""
    return UserAgents()


@pytest.fixture
def enricher(tmp_path: Path, agents: UserAgents) -> Enricher:
    """An enricher that knows one prefix."""
    path = tmp_path / "a.mmdb"
    build_mmdb(path, [("203.0.113.0/24", OSLO, EXAMPLE)])
    return Enricher(MaxMind([path], clock=lambda: 0.0, report=print), agents)


@pytest.mark.parametrize(
    ("raw", "families"),
    [
        (FIREFOX, ("Firefox", "132.0", "Linux", "", "")),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/17.0 Mobile/15E148 Safari/604.1",
            ("Mobile Safari", "17.0", "iOS", "17.0", "iPhone"),
        ),
        ("curl/8.5.0", ("curl", "8.5", "", "", "")),
        ("something else", ("", "", "", "", "")),
        ("", ("", "", "", "", "")),
    ],
)
def test_families(agents: UserAgents, raw: str, families: tuple[str, ...]) -> None:
    """A user agent has families of browser, system and device; what is "Other" is nothing."""
    assert agents.parse(raw) == UserAgent(raw, *families)


@pytest.mark.parametrize(
    "raw", ["Mozilla/5.0 " + "a" * 20_000, "(" * 20_000, "Mozilla/5.0 (" + "; " * 10_000]
)
def test_hostile_agents(agents: UserAgents, raw: str) -> None:
    """A 20 kB user agent is cut and parsed in no time."""
    began = perf_counter()
    assert len(agents.parse(raw).raw) == MAX_USER_AGENT
    assert perf_counter() - began < 0.5


def test_enriched(enricher: Enricher) -> None:
    """Place, network and client are added, and nothing else changes."""
    enriched = enricher.enrich(EVENT)
    client = UserAgent(FIREFOX, "Firefox", "132.0", "Linux")
    assert enriched == msgspec.structs.replace(EVENT, geo=OSLO, asn=EXAMPLE, ua=client)


def test_what_the_source_gave_is_kept(enricher: Enricher) -> None:
    """Place, network and client of the source are not overwritten; what it left out is added."""
    given = msgspec.structs.replace(EVENT, geo=Geo("FR"), asn=Asn(64999), ua=UserAgent(FIREFOX, "Own"))
    assert enricher.enrich(given) is given
    partly = enricher.enrich(msgspec.structs.replace(EVENT, geo=Geo("FR")))
    assert (partly.geo, partly.asn) == (Geo("FR"), EXAMPLE)


@pytest.mark.parametrize("ip", ["198.51.100.1", "10.0.0.1", ""])
def test_no_place(enricher: Enricher, ip: str) -> None:
    """Where no place is known the event says so, once."""
    enriched = enricher.enrich(msgspec.structs.replace(EVENT, ip=ip, flags=("zone_assumed",)))
    assert (enriched.geo, enriched.asn, enriched.flags) == (None, None, ("zone_assumed", "no_geo"))
    assert enricher.enrich(enriched) == enriched


def test_no_database(agents: UserAgents) -> None:
    """Without a database every event is flagged, and its client is parsed all the same."""
    enriched = Enricher(None, agents).enrich(EVENT)
    assert (enriched.geo, enriched.flags) == (None, ("no_geo",))
    assert enriched.ua is not None
    assert enriched.ua.browser == "Firefox"


def test_no_client(enricher: Enricher) -> None:
    """An event without a user agent gets none."""
    assert enricher.enrich(msgspec.structs.replace(EVENT, ua=None)).ua is None
