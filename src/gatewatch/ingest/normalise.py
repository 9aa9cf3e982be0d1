"""Texts and addresses as they may be stored: bounded, without NUL and lone surrogates, addresses in one spelling."""

import re
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple

from gatewatch.core.events import MAX_TEXT, MAX_USER_AGENT, Asn, Flag, Geo
from gatewatch.ingest.contract import Refused

#: The most items kept of a list such as groups or factors.
MAX_ITEMS = 64
#: The longest text that can be an address with port and zone id, in characters.
MAX_ADDRESS = 128
#: What sources write where they have no address.
NO_ADDRESS = frozenset({"", "-", "unknown", "null", "none", "n/a"})

_MAX_INT = 2**63
_HASH = 16  # hex digits at the end of a cut identifier
_HOST = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")


def clean(text: str) -> str:
    """The text without NUL (PostgreSQL has no place for it) and lone surrogates (UTF-8 has none)."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")


def short(text: str | None, flags: list[Flag]) -> str:
    """A text that is shown: cleaned and cut to `MAX_TEXT`, flagged when cut."""
    if not text:
        return ""
    text = clean(text)
    if len(text) > MAX_TEXT:
        note(flags, "text_truncated")
        text = text[:MAX_TEXT]
    return text


def identifier(value: str | int | None, flags: list[Flag], flag: Flag = "text_truncated") -> str:
    """A text that is compared: as `short`, but two long ones that differ stay different.

    A cut one ends in a hash of the whole, trimmed and case-folded, so that it remains one user in any case.
    """
    if value is None or value == "":
        return ""
    text = clean(value if isinstance(value, str) else str(value))
    if len(text) <= MAX_TEXT:
        return text
    text = text.strip()
    if len(text) <= MAX_TEXT:
        return text
    note(flags, flag)
    whole = blake2b(text.casefold().encode(), digest_size=_HASH // 2).hexdigest()
    return f"{text[: MAX_TEXT - _HASH - 1]}~{whole}"


def event_identifier(value: str | int | None) -> str:
    """A given event id: ids that differ at all stay different, so whatever is cut or cleaned away is hashed in."""
    if value is None or value == "":
        return ""
    text = value if isinstance(value, str) else str(value)
    plain = clean(text)
    if plain == text and len(text) <= MAX_TEXT:
        return text
    whole = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH // 2).hexdigest()
    return f"{plain[: MAX_TEXT - _HASH - 1]}~{whole}"


def user_agent(text: str | None, flags: list[Flag]) -> str:
    """The raw user agent, cleaned and cut to `MAX_USER_AGENT`, flagged when cut."""
    if not text:
        return ""
    text = clean(text)
    if len(text) > MAX_USER_AGENT:
        note(flags, "ua_truncated")
        text = text[:MAX_USER_AGENT]
    return text


def texts(values: list[str] | None, flags: list[Flag]) -> tuple[str, ...]:
    """A list of short texts, at most `MAX_ITEMS`."""
    if not values:
        return ()
    if len(values) > MAX_ITEMS:
        note(flags, "text_truncated")
    return tuple([short(value, flags) for value in values[:MAX_ITEMS]])


def note(flags: list[Flag], flag: Flag) -> None:
    """Adds a flag once."""
    if flag not in flags:
        flags.append(flag)


class Address(NamedTuple):
    """A peer: a plain address or a host name, and a port (0 where none was given)."""

    ip: str = ""
    port: int = 0
    hostname: str = ""


def address(text: str | None) -> Address:
    """The address in one spelling, its port apart; `Address()` where the source says it has none.

    Raises `Refused` (`bad_address`) for anything else, host names too: an attack must not hide behind a field that
    was meant to hold an address, and a dead letter is seen.
    """
    if not text:
        return _NOWHERE
    if len(text) > MAX_ADDRESS:
        raise _bad_address(text)
    return _address(text)


def peer(text: str) -> Address:
    """As `address`, for a source that writes host names as well (sshd with `UseDNS yes`)."""
    try:
        return address(text)
    except Refused:
        last = text.rstrip(".").rpartition(".")[2]
        if len(text) <= MAX_TEXT and _HOST.fullmatch(text) and not last.isdecimal():
            return Address(hostname=text)
        raise


_NOWHERE = Address()


@lru_cache(maxsize=65_536)
def _address(text: str) -> Address:
    plain = text.strip()
    if plain.casefold() in NO_ADDRESS:
        return _NOWHERE
    host, port = _split_port(plain)
    try:
        parsed = ip_address(host.partition("%")[0])
    except ValueError:
        raise _bad_address(text) from None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return Address(str(parsed), port)


def _split_port(text: str) -> tuple[str, int]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or rest[:1] not in ("", ":"):
            raise _bad_address(text)
        digits = rest[1:]
    elif text.count(":") == 1:
        host, _, digits = text.partition(":")
    else:
        return text, 0
    if not digits:
        return host, 0
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 5):
        raise _bad_address(text)
    return host, port_number(int(digits))


def port_number(value: int | None) -> int:
    """The port, 0 for none. Raises `Refused` (`bad_field`) outside 0 to 65535."""
    if value is None:
        return 0
    if not 0 <= value <= 65_535:
        raise Refused("bad_field", "The port lies outside 0 to 65535.")
    return value


def _bad_address(text: str) -> Refused:
    return Refused("bad_address", f"{clean(text[:64])!r} is no IP address.")


def place(geo: Geo, flags: list[Flag]) -> Geo | None:
    """The place as a source gave it, if it can be one: impossible parts are dropped and flagged."""
    country, (lat, lon) = _country(geo.country, flags), _coordinates(geo, flags)
    if not country and lat is None:
        return None
    accuracy = geo.accuracy_km if 0 <= geo.accuracy_km <= 20_038 else 0.0
    return Geo(country, short(geo.region, flags), short(geo.city, flags), lat, lon, accuracy)


def _country(text: str, flags: list[Flag]) -> str:
    country = text.strip().upper()
    if not country or (len(country) == 2 and country.isascii() and country.isalpha()):
        return country
    note(flags, "geo_invalid")
    return ""


def _coordinates(geo: Geo, flags: list[Flag]) -> tuple[float | None, float | None]:
    if geo.lat is None and geo.lon is None:
        return None, None
    if geo.lat is not None and geo.lon is not None and -90 <= geo.lat <= 90 and -180 <= geo.lon <= 180:
        return geo.lat, geo.lon
    note(flags, "geo_invalid")
    return None, None


def network(number: str | int | None, org: str | None, kind: str | None, flags: list[Flag]) -> Asn | None:
    """The network as a source gave it: 64500, "64500" or "AS64500". Raises `Refused` (`bad_field`)."""
    text = str(number or 0).strip().upper().removeprefix("AS")
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) < 2**32):
        raise Refused("bad_field", "The ASN is no number of an autonomous system.")
    asn = Asn(int(text), short(org, flags), short(kind, flags))
    return asn if asn != Asn() else None


def storable(value: Any) -> Any:
    """A decoded JSON value as any store takes it: texts cleaned, integers over 64 bits as text.

    The value's depth must be bounded (see `safejson`).
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, int) and not -_MAX_INT <= value < _MAX_INT:
        return str(value)
    return value
