"""Adds place, network and client to an event; what the source gave is kept."""

from typing import Protocol

import msgspec

from gatewatch.adapters.geo.maxmind import Place
from gatewatch.adapters.useragents import UserAgents
from gatewatch.core.events import Asn, LoginEvent, UserAgent

_replace = msgspec.structs.replace


class Places(Protocol):
    """Where an address is and whose: `MaxMind`, or anything that answers like it."""

    def lookup(self, ip: str) -> Place:
        """What is known of a plain address."""
        ...


class Enricher:
    """Enriches events. `geo` None means that the operator has no database: every event is then flagged `no_geo`."""

    def __init__(self, geo: Places | None, useragents: UserAgents) -> None:
        self._geo = geo
        self._useragents = useragents

    def enrich(self, event: LoginEvent) -> LoginEvent:
        """The event with what is known of its address and its client; flagged `no_geo` where no place is known."""
        geo, asn = self._place(event)
        ua = self._client(event.ua)
        if geo is None:
            return self._placeless(event, asn, ua)
        if geo is event.geo and asn is event.asn and ua is event.ua:
            return event
        return _replace(event, geo=geo, asn=asn, ua=ua)

    def _place(self, event: LoginEvent) -> Place:
        geo, asn = event.geo, event.asn
        if self._geo is None or not event.ip or (geo is not None and asn is not None):
            return Place(geo, asn)
        found = self._geo.lookup(event.ip)
        return found if geo is None and asn is None else Place(geo or found.geo, asn or found.asn)

    def _client(self, ua: UserAgent | None) -> UserAgent | None:
        if ua is None or not ua.raw or ua.browser or ua.os or ua.device:
            return ua
        return self._useragents.parse(ua.raw)

    def _placeless(self, event: LoginEvent, asn: Asn | None, ua: UserAgent | None) -> LoginEvent:
        flags = event.flags if "no_geo" in event.flags else (*event.flags, "no_geo")
        return _replace(event, asn=asn, ua=ua, flags=flags)
