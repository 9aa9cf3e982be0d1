"""What a client leaves out of a partition."""


class Holes:
    """Offsets that did not come, seen once: whoever reads asks for them again.

    The client may skip records (seen after a broker was killed: five of them, never fetched). What is not there the
    second time either is none: markers of others' transactions, or what a compaction took.
    """

    def __init__(self, next_offset: int) -> None:
        self._seen = set[tuple[int, int]]()
        self._passed = next_offset

    def doubts(self, next_offset: int, offset: int) -> bool:
        """Whether what came leaves something out behind what was read, seen for the first time."""
        if offset <= next_offset or (hole := (next_offset, offset)) in self._seen:
            return False
        self._seen.add(hole)
        self._passed = offset + 1
        return True

    def pass_over(self, offset: int) -> None:
        """What lies behind a doubted hole is fetched again with it; what it leaves out was seen once as well, so that
        many holes cost no more than one.
        """
        if offset > self._passed:
            self._seen.add((self._passed, offset))
        self._passed = offset + 1

    def forget(self, offset: int) -> None:
        """Everything before an offset is done."""
        if self._seen:
            self._seen = {hole for hole in self._seen if hole[1] > offset}
