"""The fields of an MMDB record, as the makers lay them out.

MaxMind (GeoLite2, GeoIP2, Enterprise), DB-IP (the same names) and IPinfo (flat; numbers as texts, "AS64500"), and the
databases of `build`. What a network is for (`kind`) comes from the data or stays "": nothing is guessed from names.
"""

from collections.abc import Mapping
from typing import Any

from gatewatch.core.events import MAX_TEXT, Asn, Geo

KINDS = frozenset({"isp", "mobile", "hosting", "vpn", "tor", "relay", "satellite", "anycast", "business"})

#: Boolean fields (MaxMind's Anonymous IP and traits, IPinfo's privacy data); the first that is true gives the kind.
KIND_FLAGS: tuple[tuple[str, str], ...] = (
    ("is_tor_exit_node", "tor"),
    ("tor", "tor"),
    ("relay", "relay"),
    ("is_anonymous_vpn", "vpn"),
    ("vpn", "vpn"),
    ("is_public_proxy", "vpn"),
    ("is_anonymous_proxy", "vpn"),
    ("proxy", "vpn"),
    ("is_satellite_provider", "satellite"),
    ("is_satellite", "satellite"),
    ("is_hosting_provider", "hosting"),
    ("is_hosting", "hosting"),
    ("hosting", "hosting"),
    ("is_mobile", "mobile"),
    ("is_anycast", "anycast"),
)
#: Fields that name a kind, and what their values mean here.
KIND_FIELDS = ("kind", "connection_type", "user_type", "type", "as_type")
KIND_NAMES: dict[str, str] = {
    **{kind: kind for kind in KINDS},
    "cellular": "mobile",
    "cable/dsl": "isp",
    "dialup": "isp",
    "residential": "isp",
    "corporate": "business",
    "education": "business",
    "college": "business",
    "school": "business",
    "government": "business",
    "military": "business",
    "content_delivery_network": "hosting",
}

Record = Mapping[str, Any]


def geo_of(record: Record) -> Geo | None:
    """The place, if the record names a country or coordinates."""
    country = _country(record)
    location = _map(record.get("location"))
    lat = _coordinate(location, record, ("latitude", "lat"), 90)
    lon = _coordinate(location, record, ("longitude", "lng", "lon"), 180)
    if lat is None or lon is None:
        lat = lon = None
    if not country and lat is None:
        return None
    accuracy = _number(location.get("accuracy_radius")) or 0.0
    return Geo(country, _region(record), _name(record.get("city")), lat, lon, accuracy)


def asn_of(record: Record) -> Asn | None:
    """The network, if the record names a number or a kind."""
    traits = _map(record.get("traits"))
    fields = {**traits, **record}
    number = _as_number(fields.get("autonomous_system_number") or fields.get("asn"))
    names = ("autonomous_system_organization", "as_name", "as_organization", "name")
    org = (
        next((_text(fields[name]) for name in names if isinstance(fields.get(name), str)), "")
        if number
        else ""
    )
    asn = Asn(number, org, _kind(fields))
    return asn if asn.number or asn.kind else None


def _country(record: Record) -> str:
    country = record.get("country")
    registered = _map(record.get("registered_country")).get("iso_code")
    given = _map(country).get("iso_code") or record.get("country_code") or country or registered
    # IPinfo Lite has the code in country_code and the name in country; its older files have the code in country.
    return given.upper() if isinstance(given, str) and len(given) == 2 and given.isalpha() else ""


def _region(record: Record) -> str:
    subdivisions = record.get("subdivisions")
    if isinstance(subdivisions, list) and subdivisions:
        return _name(subdivisions[0])
    return _name(record.get("region") or record.get("region_name"))


def _name(value: Any) -> str:
    names = _map(_map(value).get("names"))
    return _text(names.get("en") or next(iter(names.values()), "")) if names else _text(value)


def _text(value: Any) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _coordinate(location: Record, record: Record, names: tuple[str, ...], limit: float) -> float | None:
    for fields in (location, record):
        for name in names:
            degrees = _number(fields.get(name))
            if degrees is not None and -limit <= degrees <= limit:
                return degrees
    return None


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        return None


def _as_number(value: Any) -> int:
    digits = str(value or "").upper().removeprefix("AS")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 10 else 0


def _kind(fields: Record) -> str:
    for name, kind in KIND_FLAGS:
        if fields.get(name) in (True, "true"):
            return kind
    for name in KIND_FIELDS:
        value = fields.get(name)
        kind = KIND_NAMES.get(value.lower(), "") if isinstance(value, str) else ""
        if kind:
            return kind
    return ""
