"""The lists people page through: events, anomalies, users, dead letters (see `pages`)."""

from __future__ import annotations

from datetime import datetime

from gatewatch.core.times import from_datetime, to_datetime
from gatewatch.ports import Clock
from gatewatch.read_ports import (
    AnomalyFilter,
    DeadLetterFilter,
    EventFilter,
    Position,
    QueryStore,
    StoredAnomaly,
    StoredDeadLetter,
    StoredEvent,
    StoredProfile,
    UserFilter,
)
from gatewatch.services.meant import subject_meant, user_meant
from gatewatch.services.pages import Page, page
from gatewatch.services.views import (
    AnomalyView,
    EventView,
    UserItem,
    anomaly_view,
    event_view,
    user_item,
)


class Lists:
    """One tenant's lists. All raise `pages.BadCursor` and `pages.BadRange`."""

    def __init__(self, store: QueryStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    @property
    def _now(self) -> datetime:
        return to_datetime(self._clock.now())

    def user_meant(self, text: str) -> str:
        """The key of the user that a text means."""
        return user_meant(self._store, text)

    def subject_meant(self, text: str, kind: str) -> str:
        """The subject of anomalies that a text means, of a kind or ("") of any."""
        return subject_meant(self._store, text, kind)

    def events(self, wanted: EventFilter, limit: int, cursor: str = "") -> Page[EventView]:
        """Events, the latest first."""
        return page(wanted, limit, cursor, self._now, self._store.events, _of_event, event_view)

    def anomalies(self, wanted: AnomalyFilter, limit: int, cursor: str = "") -> Page[AnomalyView]:
        """Anomalies, the one with the latest hit first."""
        return page(wanted, limit, cursor, self._now, self._store.anomalies, _of_anomaly, anomaly_view)

    def users(self, wanted: UserFilter, limit: int, cursor: str = "") -> Page[UserItem]:
        """Users, the riskiest or the latest first; the risk is as of the range's end where that is past."""
        now = self._clock.now()
        at = now if wanted.until is None else min(now, from_datetime(wanted.until))
        position = _by_risk if wanted.sort == "risk" else _by_last_seen

        def show(found: StoredProfile) -> UserItem:
            return user_item(found, at)

        return page(wanted, limit, cursor, self._now, self._store.users, position, show)

    def dead_letters(self, wanted: DeadLetterFilter, limit: int, cursor: str = "") -> Page[StoredDeadLetter]:
        """What could not be processed, the latest first."""
        return page(wanted, limit, cursor, self._now, self._store.dead_letters, _of_letter, _as_it_is)


def _of_event(found: StoredEvent) -> Position:
    return Position(found.event.time, found.event.event_id)


def _of_anomaly(found: StoredAnomaly) -> Position:
    return Position(found.anomaly.last_seen, found.anomaly.id)


def _by_risk(found: StoredProfile) -> Position:
    return Position(float(found.risk), found.user_key)


def _by_last_seen(found: StoredProfile) -> Position:
    return Position(from_datetime(found.last_seen), found.user_key)


def _of_letter(found: StoredDeadLetter) -> Position:
    return Position(from_datetime(found.received_at), found.id)


def _as_it_is(found: StoredDeadLetter) -> StoredDeadLetter:
    return found
