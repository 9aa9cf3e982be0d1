"""Writes a small MMDB: the demo and the tests know the documentation prefixes and nothing else."""

from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]  # netaddr ships no types

from gatewatch.core.events import Asn, Geo


def build_mmdb(path: Path, networks: Iterable[tuple[str, Geo | None, Asn | None]]) -> None:
    """Writes one file with place and network of each CIDR prefix, IPv4 and IPv6; the longest prefix wins.

    The file appears at once under its name, so that a process that reads it sees the old one or the new one.
    """
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Gatewatch")
    for cidr, geo, asn in sorted(networks, key=lambda entry: (ip_network(entry[0]).prefixlen, entry[0])):
        writer.insert_network(IPSet([cidr]), _record(geo, asn))
    unfinished = path.with_name(f".{path.name}.new")
    writer.to_db_file(str(unfinished))
    unfinished.replace(path)


def _record(geo: Geo | None, asn: Asn | None) -> dict[str, Any]:
    return {**(_place(geo) if geo else {}), **(_network(asn) if asn else {})}


def _place(geo: Geo) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if geo.lat is not None and geo.lon is not None:
        location = {"latitude": float(geo.lat), "longitude": float(geo.lon)}
    if geo.accuracy_km:
        location["accuracy_radius"] = round(geo.accuracy_km)
    return {
        "country": {"iso_code": geo.country},
        "subdivisions": [{"names": {"en": geo.region}}] if geo.region else [],
        "city": {"names": {"en": geo.city}},
        "location": location,
    }


def _network(asn: Asn) -> dict[str, Any]:
    return {
        "autonomous_system_number": asn.number,
        "autonomous_system_organization": asn.org,
        "kind": asn.kind,
    }
