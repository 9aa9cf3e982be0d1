from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]  # netaddr ships no types

from gatewatch.adapters.geo.build import build_mmdb
from gatewatch.adapters.geo.layouts import asn_of, geo_of
from gatewatch.adapters.geo.maxmind import GeoProblem, MaxMind, Place
from gatewatch.core.events import Asn, Geo

OSLO = Geo("NO", "Oslo", "Oslo", 59.9, 10.7, 20.0)
LAGOS = Geo("NG", "Lagos", "Lagos", 6.5, 3.4, 50.0)
EXAMPLE = Asn(64500, "Example", "isp")


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Monotonic seconds."""
        return self.seconds


def opened(*paths: Path, clock: Callable[[], float] | None = None, said: list[str] | None = None) -> MaxMind:
    """An enricher whose reports land in `said`."""
    return MaxMind(paths, clock=clock or Clock(), report=([] if said is None else said).append)


def built(path: Path, geo: Geo, asn: Asn | None = None) -> Path:
    """A database of one documentation prefix."""
    build_mmdb(path, [("203.0.113.0/24", geo, asn)])
    return path


def test_built_database(tmp_path: Path) -> None:
    """A database that we write gives back what was put in, the longest prefix first, for both IP versions."""
    path = tmp_path / "demo.mmdb"
    vpn = Asn(64501, "Hide", "vpn")
    networks = [
        ("203.0.113.128/25", LAGOS, vpn),
        ("203.0.113.0/24", OSLO, EXAMPLE),
        ("2001:db8::/32", OSLO, None),
        ("198.51.100.0/24", None, EXAMPLE),
    ]
    build_mmdb(path, networks)
    geo = opened(path)
    assert geo.lookup("203.0.113.7") == Place(OSLO, EXAMPLE)
    assert geo.lookup("203.0.113.200") == Place(LAGOS, vpn)
    assert geo.lookup("2001:db8::7") == Place(OSLO, None)
    assert geo.lookup("198.51.100.1") == Place(None, EXAMPLE)
    assert geo.version.startswith("Gatewatch@")


@pytest.mark.parametrize("ip", ["10.0.0.1", "127.0.0.1", "::1", "fe80::1", "8.8.8.8", "", "no address"])
def test_nothing_is_guessed(tmp_path: Path, ip: str) -> None:
    """An address without an entry, private ones among them, has no place."""
    assert opened(built(tmp_path / "a.mmdb", OSLO)).lookup(ip) == Place(None, None)


def test_place_and_network_of_two_files(tmp_path: Path) -> None:
    """City and ASN databases are asked together; the first that knows wins."""
    city, asn = tmp_path / "city.mmdb", tmp_path / "asn.mmdb"
    build_mmdb(city, [("203.0.113.0/24", OSLO, None)])
    build_mmdb(asn, [("203.0.113.0/24", LAGOS, EXAMPLE)])
    assert opened(city, asn).lookup("203.0.113.7") == Place(OSLO, EXAMPLE)


def test_reload(tmp_path: Path) -> None:
    """A changed file is read again within a second, and not before that second is over."""
    path, clock = built(tmp_path / "a.mmdb", OSLO), Clock()
    geo = opened(path, clock=clock)
    assert geo.lookup("203.0.113.7").geo == OSLO
    built(path, LAGOS)
    clock.seconds = 0.9
    assert geo.lookup("203.0.113.7").geo == OSLO
    clock.seconds = 1.1
    assert geo.lookup("203.0.113.7").geo == LAGOS


@pytest.mark.parametrize("broken", [b"", b"garbage" * 1_000, None])
def test_broken_new_file(tmp_path: Path, broken: bytes | None) -> None:
    """A new file that is broken, even written in place, or gone, is reported once; the old one stays."""
    path, clock, said = built(tmp_path / "a.mmdb", OSLO), Clock(), list[str]()
    geo = opened(path, clock=clock, said=said)
    path.unlink() if broken is None else path.write_bytes(broken)
    for second in range(1, 5):
        clock.seconds = second * 1.5
        assert geo.lookup("203.0.113.7").geo == OSLO
        assert geo.lookup("203.0.113.8").geo == OSLO
    assert len(said) == 1
    assert said[0].startswith(str(path))
    built(path, LAGOS)
    clock.seconds = 10.0
    assert geo.lookup("203.0.113.7").geo == LAGOS


@pytest.mark.parametrize("data", [None, b"", b"garbage"])
def test_broken_from_the_start(tmp_path: Path, data: bytes | None) -> None:
    """A file that cannot be used at the start is an error in one line, not a system without places."""
    path = tmp_path / "a.mmdb"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(GeoProblem, match=r"a\.mmdb"):
        opened(path)


def test_no_copies_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The private copy of a database leaves no file behind."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    geo = opened(built(tmp_path / "a.mmdb", OSLO))
    assert geo.lookup("203.0.113.7").geo == OSLO
    assert list(folder.iterdir()) == []
    geo.close()


def test_damaged_records(tmp_path: Path) -> None:
    """A file damaged within gives no places for some addresses and says so once; it never kills the reader."""
    path, said = built(tmp_path / "a.mmdb", OSLO, EXAMPLE), list[str]()
    data = bytearray(path.read_bytes())
    start = data.index(b"country") - 8
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    geo = opened(path, said=said)
    for last in range(1, 100):
        geo.lookup(f"203.0.113.{last}")
    assert len(said) <= 1


def test_ipv4_database(tmp_path: Path) -> None:
    """An IPv6 address has no place in a database of IPv4 only."""
    path = tmp_path / "v4.mmdb"
    writer = MMDBWriter(ip_version=4)
    writer.insert_network(IPSet(["203.0.113.0/24"]), {"country_code": "NO"})
    writer.to_db_file(str(path))
    geo = opened(path)
    assert geo.lookup("203.0.113.7").geo == Geo("NO")
    assert geo.lookup("2001:db8::1") == Place(None, None)


@pytest.mark.parametrize(
    ("record", "geo"),
    [
        (
            {
                "country": {"iso_code": "NO", "names": {"en": "Norway"}},
                "subdivisions": [{"names": {"en": "Oslo County"}}],
                "city": {"names": {"de": "Oslo", "en": "Oslo"}},
                "location": {"latitude": 59.9, "longitude": 10.7, "accuracy_radius": 20},
            },
            Geo("NO", "Oslo County", "Oslo", 59.9, 10.7, 20.0),
        ),
        ({"registered_country": {"iso_code": "NO"}}, Geo("NO")),
        ({"country": "Norway", "country_code": "no"}, Geo("NO")),
        (
            {"country": "NO", "city": "Oslo", "region": "R", "lat": "59.9", "lng": "10.7"},
            Geo("NO", "R", "Oslo", 59.9, 10.7),
        ),
        ({"country_code": "NO", "lat": "x", "lng": "10.7"}, Geo("NO")),
        ({"country_code": "NO", "lat": 99.0, "lng": 10.7}, Geo("NO")),
        ({"country": "Norway"}, None),
        ({"country": 7, "city": ["x"], "location": "y", "subdivisions": [1]}, None),
        ({}, None),
    ],
)
def test_places_of_layouts(record: dict[str, Any], geo: Geo | None) -> None:
    """The layouts of MaxMind, DB-IP and IPinfo are understood; nonsense in them is no place."""
    assert geo_of(record) == geo


@pytest.mark.parametrize(
    ("record", "asn"),
    [
        ({"autonomous_system_number": 64500, "autonomous_system_organization": "Org"}, Asn(64500, "Org")),
        ({"asn": "AS64500", "as_name": "Org", "as_domain": "o.example"}, Asn(64500, "Org")),
        ({"asn": "AS64500", "name": "Org", "type": "hosting"}, Asn(64500, "Org", "hosting")),
        ({"asn": "AS64500", "type": "education"}, Asn(64500, "", "business")),
        ({"traits": {"autonomous_system_number": 64500, "user_type": "cellular"}}, Asn(64500, "", "mobile")),
        ({"connection_type": "Cellular"}, Asn(kind="mobile")),
        ({"connection_type": "Satellite"}, Asn(kind="satellite")),
        ({"is_anonymous": True, "is_tor_exit_node": True}, Asn(kind="tor")),
        ({"is_anonymous_proxy": True}, Asn(kind="vpn")),
        ({"vpn": "true", "hosting": "true", "tor": "", "relay": ""}, Asn(kind="vpn")),
        ({"hosting": "true"}, Asn(kind="hosting")),
        ({"autonomous_system_number": 64500, "kind": "relay"}, Asn(64500, "", "relay")),
        ({"asn": "ASX", "type": 7, "kind": "teapot"}, None),
        ({"country_code": "NO"}, None),
    ],
)
def test_networks_of_layouts(record: dict[str, Any], asn: Asn | None) -> None:
    """Numbers, names and kinds of networks come from the data as each maker lays it out."""
    assert asn_of(record) == asn
