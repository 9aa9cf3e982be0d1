"""The made-up internet: reserved space only, nothing overlaps, attackers and customers apart."""

from collections import Counter
from ipaddress import ip_address, ip_network
from itertools import combinations

import pytest

from gatewatch.simulator.cities import CITIES, WEIGHTS
from gatewatch.simulator.network import build_internet, networks
from gatewatch.simulator.seeds import derive, mix, stream

RESERVED = (
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "198.18.0.0/15",
    "240.0.0.0/4",
    "2001:db8::/32",
)


def test_every_network_lies_in_reserved_space() -> None:
    """Nobody real has any of these addresses."""
    blocks = [ip_network(block) for block in RESERVED]
    for cidr, _, _ in networks():
        network = ip_network(cidr)
        assert any(network.version == b.version and network.subnet_of(b) for b in blocks)  # type: ignore[arg-type]  # v4 or v6 alike


def test_networks_do_not_overlap() -> None:
    """An address has one place and one owner."""
    blocks = [ip_network(cidr) for cidr, _, _ in networks()]
    for one, two in combinations(blocks, 2):
        assert one.version != two.version or not one.overlaps(two)


def test_the_internet_has_every_kind_of_network() -> None:
    """There are providers, carriers, offices, hosting, VPN, Tor, relay and satellite, with private AS numbers."""
    kinds = Counter(asn.kind for _, _, asn in networks())
    assert set(kinds) == {"isp", "mobile", "business", "hosting", "vpn", "tor", "relay", "satellite"}
    assert all(64_512 <= asn.number <= 65_534 for _, _, asn in networks())
    assert len({geo.country for _, geo, _ in networks()}) >= 15


def test_an_as_number_has_one_owner() -> None:
    """A number always comes with the same organisation and kind."""
    owners = {(asn.number, asn.org, asn.kind) for _, _, asn in networks()}
    assert len(owners) == len({number for number, _, _ in owners}) == len({org for _, org, _ in owners})


def test_every_place_has_coordinates_and_a_radius() -> None:
    """No network is at (0, 0); carriers are known with a large radius only."""
    for _, geo, asn in networks():
        assert geo.lat is not None
        assert geo.lon is not None
        assert (geo.lat, geo.lon) != (0, 0)
        assert geo.accuracy_km == (300 if asn.kind in {"mobile", "relay", "satellite"} else 20)
    assert len(CITIES) == len(WEIGHTS)


def test_addresses_are_canonical_and_inside_their_network() -> None:
    """What a customer or an attacker gets is written as `ipaddress` writes it, and lies in the block."""
    rng = stream(1, "addresses")
    for network in build_internet().all():
        block = ip_network(network.cidr)
        for _ in range(30):
            for text in (network.address(rng.getrandbits(64), rng.getrandbits(64)), network.fresh(rng)):
                assert str(ip_address(text)) == text
                assert ip_address(text) in block


def test_fresh_addresses_are_never_a_customers() -> None:
    """In no network does an attacker's address meet one that a customer can have."""
    rng = stream(2, "addresses")
    for network in build_internet().all():
        if network.v6:
            assert ip_address(network.fresh(rng)).packed[6] >= 0x80
            assert ip_address(network.address(rng.getrandbits(64), 5)).packed[6] < 0x80
        else:
            assert ip_address(network.fresh(rng)).packed[3] >= 200
            assert 1 <= ip_address(network.address(rng.getrandbits(64))).packed[3] <= 199


def test_shared_exits_have_few_addresses() -> None:
    """A carrier's or a VPN's customers share what its pool says."""
    rng = stream(3, "addresses")
    for network in build_internet().all():
        if network.pool:
            assert len({network.address(rng.getrandbits(64)) for _ in range(4_000)}) == network.pool


@pytest.mark.parametrize("path", [("a",), ("a", 1), ("b", 1)])
def test_streams_of_different_names_differ(path: tuple[str | int, ...]) -> None:
    """A stream is a function of seed and name."""
    assert stream(1, *path).random() == stream(1, *path).random() != stream(2, *path).random()
    assert derive(1, *path) != derive(1, "c", *path)


def test_mixed_bits_spread() -> None:
    """Consecutive numbers give numbers that fill the range evenly."""
    counts = Counter(mix(7, n) % 10 for n in range(10_000))
    assert max(counts.values()) < 1_150
    assert min(counts.values()) > 850
