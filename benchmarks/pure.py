"""The pure functions alone, in µs: what one review of a source costs, without any store around it.

`python3 run.py bench` prints these among the others; alone: `PYTHONPATH=src python -m benchmarks.pure`.
"""

from collections.abc import Callable
from random import Random
from statistics import median
from time import process_time_ns

from gatewatch.core.policy import DEFAULT
from gatewatch.core.sources import BUCKET, DAY_BUCKETS, Bucket, Buckets, decode, encode
from gatewatch.core.subjects import count_in
from gatewatch.detectors import default_engine

#: An arbitrary Monday, as a bucket index.
_START = 19_800 * DAY_BUCKETS
SUBJECT = ("ip", "203.0.113.9")


def source(random: Random, buckets: int, failures: int, users: int, unknown: float = 0.1) -> Buckets:
    """A source with so many failures per bucket, each of one of `users` users (so many per source)."""
    names = [random.getrandbits(32) for _ in range(users)]
    found: Buckets = {}
    for index in range(_START, _START + buckets):
        bucket = found[index] = Bucket((index + 1) * BUCKET, index * BUCKET)
        for _ in range(failures):
            user = random.choice(names)
            count_in(bucket, index * BUCKET + random.randrange(BUCKET), user, user % 100 < 100 * unknown)
    return {index: decode(encode(bucket)) for index, bucket in found.items()}  # as they come from the store


#: What is measured: a name and the source, with permanent ids.
REVIEWS: dict[str, Callable[[Random], Buckets]] = {
    "review.quiet (1 bucket, 3 failures)": lambda r: source(r, 1, 3, 1),
    "review.typical (3 buckets, 4 failures each)": lambda r: source(r, 3, 4, 6),
    "review.attack (3 buckets, 60 failures each)": lambda r: source(r, 3, 60, 40),
    "review.worst, others each time (144 x 256 users)": lambda r: source(r, 144, 300, 200_000),
    "review.worst, the same each time (144 x 256 users)": lambda r: source(r, 144, 1500, 256),
    "review.worst, sampled (144 x 1,000 users)": lambda r: source(r, 144, 1000, 500_000),
}


def review_us(name: str, explained: float = 0.0, repeats: int = 5) -> float:
    """The median µs of one review of the named source by all source detectors."""
    buckets = REVIEWS[name](Random(7))
    hashes = sorted({hash for bucket in buckets.values() for hash in bucket.users.counts})
    own = frozenset(hashes[: int(explained * len(hashes))])
    engine = default_engine()
    rounds = max(1, 2_000 // sum(len(bucket.users.counts) for bucket in buckets.values()))
    return median(
        _once(lambda: engine.review(SUBJECT, buckets, own, DEFAULT), rounds) for _ in range(repeats)
    )


def _once(call: Callable[[], object], rounds: int) -> float:
    start = process_time_ns()
    for _ in range(rounds):
        call()
    return (process_time_ns() - start) / rounds / 1000


def main() -> None:
    """Print one line per measurement."""
    for name in REVIEWS:
        print(f"{name:55} {review_us(name):10,.1f} µs, with half of the users explained", end=" ")
        print(f"{review_us(name, 0.5):10,.1f} µs")


if __name__ == "__main__":
    main()
