"""Makes batches: what was read becomes what one transaction stores."""

from collections.abc import Iterable, Sequence

import msgspec

from gatewatch import metrics
from gatewatch.core.engine import Engine
from gatewatch.ports import (
    Batch,
    Clock,
    Enrich,
    LogRecord,
    PartitionStore,
)
from gatewatch.services.batching import Work
from gatewatch.services.decoding import ReadForeign
from gatewatch.services.partition import Partition


class BatchMaker(msgspec.Struct, frozen=True):
    """Makes batches. `retention` (µs, 0: for ever) turns events older than that at arrival into dead letters.

    Where the log lies `elsewhere`, an offset that is missing is no loss, and dead letters are published.
    """

    store: PartitionStore
    engine: Engine
    enrich: Enrich
    foreign: ReadForeign
    clock: Clock
    retention: int = 0
    elsewhere: bool = False

    def make(
        self,
        partition: Partition,
        owned: Iterable[Partition],
        found: Sequence[LogRecord],
        refused: int | None = None,
    ) -> Batch:
        """Process records in the order of the log; the one at offset `refused` (by the store) becomes a dead letter.

        Raises `Unavailable` where the store cannot be read.
        """
        claim = partition.claim
        batch = Batch(claim, found[-1].offset + 1, now=self.clock.now())
        if not self.elsewhere and found[0].offset > claim.next_offset:
            batch.gap = (claim.next_offset, found[0].offset)
        work, stage = Work(self, partition, owned, batch), metrics.BATCH_SECONDS.time
        with stage("decode"):
            here = work.sort_out(found, refused)
        with stage("load"):
            work.prepare(here)
        here.reverse()
        with stage("assess"):
            while here:  # each goes as soon as it is done: what comes next takes its memory, which is at hand
                work.do(here.pop())
        with stage("merge"):
            work.finish()
        return batch
