"""What is known to be true about simulated events: the yardstick for detectors."""

from typing import Literal

from msgspec import Struct

from gatewatch.core.events import LoginEvent

LabelKind = Literal["attack", "decoy"]


class Label(Struct, frozen=True, omit_defaults=True):
    """The truth about one event of a scenario.

    `expected` is an any-of set of detector ids: one of them should speak up about this event or its campaign;
    empty means that none is expected to (a decoy, or a detector that does not exist yet).
    """

    event_id: str
    scenario: str
    campaign: str
    kind: LabelKind
    user: str
    source: str
    success: bool = False
    expected: tuple[str, ...] = ()


class Simulated(Struct, frozen=True):
    """An event and, where it belongs to a scenario, its label (None: ordinary life)."""

    event: LoginEvent
    label: Label | None = None


class Campaign(Struct, frozen=True, omit_defaults=True):
    """One run of a scenario: when (µs), how many events, from where, against whom, and who was got into."""

    id: str
    scenario: str
    kind: LabelKind
    first: int
    last: int
    events: int
    failures: int
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    successes: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
