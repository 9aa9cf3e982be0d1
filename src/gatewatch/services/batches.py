"""Makes batches: what was read becomes what one transaction stores."""

from collections.abc import Iterable, Sequence

from gatewatch import metrics
from gatewatch.ports import Batch, LogRecord
from gatewatch.services.batching import Work
from gatewatch.services.means import Means
from gatewatch.services.partition import Partition


class BatchMaker(Means, frozen=True):
    """Makes batches."""

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
