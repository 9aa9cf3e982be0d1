"""What batches are made with."""

import msgspec

from gatewatch.core.engine import Engine
from gatewatch.ports import Clock, Enrich, PartitionStore
from gatewatch.services.decoding import ReadForeign


class Means(msgspec.Struct, frozen=True):
    """What batches are made with. `retention` (µs, 0: for ever) turns events older than that at arrival into dead
    letters. Where the log lies `elsewhere`, an offset that is missing is no loss, and dead letters are published.
    """

    store: PartitionStore
    engine: Engine
    enrich: Enrich
    foreign: ReadForeign
    clock: Clock
    retention: int = 0
    elsewhere: bool = False
