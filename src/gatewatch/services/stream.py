"""What was stored for a tenant, page by page, from one position to another: each event and version exactly once.

Within a partition and within a lane of the outbox, what is committed becomes visible in the order of its numbers. So a
position moves over committed rows only, and nothing turns up behind it later.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

from gatewatch.services import positions
from gatewatch.services.views import AnomalyView, EventView, anomaly_view, event_view
from gatewatch.stream_ports import Positions, StreamStore, Stretch, behind

#: What a stream tells of.
Kind = Literal["events", "anomalies"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: Events, and versions of anomalies, of a page: so many are in memory at once.
PAGE = 500
#: How many messages of the outbox, whoever's they are, may be caught up on.
MOST_MESSAGES = 100_000

#: Why a reader cannot go on where it was: it is older than what is kept, it would be too much, or the database was set
#: back since.
Reset = Literal["too_old", "too_much", "ahead"]


class Message(NamedTuple):
    """One thing that was stored; `id` is the position behind it."""

    kind: Kind
    id: str
    view: EventView | AnomalyView


class Page(NamedTuple):
    """What was stored next, in its order, and how far that reaches."""

    messages: list[Message]
    reached: Positions


class Stream:
    """One tenant's stream; `most` events of it may be caught up on."""

    def __init__(self, store: StreamStore, tenant: str, most: int) -> None:
        self._store, self._tenant, self._most = store, tenant, most

    def heads(self) -> Positions:
        """Where everything ends now."""
        return self._store.heads()

    def id_of(self, position: Positions) -> str:
        """The id of a position."""
        return positions.write(self._tenant, position.events, position.outbox)

    def position_of(self, id: str) -> Positions:
        """The position of an id. Raises `positions.BadId`."""
        return positions.read(self._tenant, id)

    def reset(self, since: Positions) -> Reset | None:
        """Why a reader at that position must begin anew, None where it can go on."""
        heads = self._store.heads()
        if not heads.reaches(since):
            return "ahead"
        if not since.reaches(self._store.floors()):
            return "too_old"
        if sum(one.until - one.since for one in behind(since.outbox, heads.outbox)) > MOST_MESSAGES:
            return "too_much"
        missed = behind(since.events, heads.events)
        too_many = missed and self._store.waiting(missed, self._most + 1) > self._most
        return "too_much" if too_many else None

    def page(self, since: Positions, until: Positions) -> Page:
        """What lies between two positions, or the beginning of it."""
        events, outbox = {**since.events}, {**since.outbox}
        messages: list[Message] = []

        def add(kind: Kind, view: EventView | AnomalyView) -> None:
            messages.append(Message(kind, positions.write(self._tenant, events, outbox), view))

        if missed := behind(events, until.events):
            each = max(1, PAGE // len(missed))
            found = self._store.events(missed, each)
            for part, offset, event in found:
                events[part] = offset + 1
                add("events", event_view(event))
            events |= _passed(missed, [one.part for one in found], each)
        if missed := behind(outbox, until.outbox):
            each = max(1, PAGE // len(missed))
            published = self._store.anomalies(missed, each)
            for lane, seq, anomaly in published:
                outbox[lane] = seq
                add("anomalies", anomaly_view(anomaly))
            outbox |= _passed(missed, [one.lane for one in published], each)
        return Page(messages, Positions(events, outbox))


def _passed(stretches: Sequence[Stretch], parts: Iterable[int], each: int) -> dict[int, int]:
    """The ends of those stretches that were read whole; the others ended with their last row."""
    taken = Counter(parts)
    return {one.part: one.until for one in stretches if taken[one.part] < each}
