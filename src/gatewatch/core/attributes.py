"""What a profile counts a login by: its value per attribute, and the short hashes that stand for longer things."""

from functools import lru_cache
from hashlib import blake2b

from gatewatch.core.events import LoginEvent
from gatewatch.core.keys import prefix_of
from gatewatch.core.times import HOUR

_HOURS = tuple(map(str, range(168)))


def event_ref(event_id: str) -> bytes:
    """Eight bytes that stand for an event id inside a profile."""
    return blake2b(event_id.encode("utf-8"), digest_size=8).digest()


def hour_of_week(time: int) -> int:
    """0 is Monday 00:00-01:00 UTC (1970-01-01 was a Thursday)."""
    return (time // HOUR + 72) % 168


def device_of(event: LoginEvent) -> str:
    """The device's own id where the source gives one, else the families of its client."""
    if event.device_id:
        return event.device_id
    ua = event.ua
    return f"{ua.os}/{ua.device}/{ua.browser}" if ua is not None and (ua.os or ua.browser) else ""


def ua_fingerprint(event: LoginEvent) -> str:
    """Eight hex digits for the exact user agent, "" without one."""
    return _fingerprint(event.ua.raw) if event.ua is not None and event.ua.raw else ""


@lru_cache(maxsize=16_384)
def _fingerprint(raw: str) -> str:
    return blake2b(raw.encode("utf-8"), digest_size=4).hexdigest()


def values_of(event: LoginEvent) -> tuple[str, ...]:
    """The event's value per attribute, in the order of `ATTRIBUTES`."""
    ua, asn, geo = event.ua, event.asn, event.geo
    return (
        event.ip,
        prefix_of(event.ip),
        str(asn.number) if asn is not None and asn.number else "",
        geo.country if geo is not None else "",
        ua_fingerprint(event),
        ua.browser if ua is not None else "",
        ua.os if ua is not None else "",
        device_of(event),
        _HOURS[hour_of_week(event.time)],
    )
