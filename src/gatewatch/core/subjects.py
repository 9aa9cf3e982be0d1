"""The sources of an event, and its failure counted under each."""

from collections.abc import Iterable, Mapping

from gatewatch.core.attributes import ua_fingerprint
from gatewatch.core.events import LoginEvent
from gatewatch.core.keys import prefix_of
from gatewatch.core.signals import Subject
from gatewatch.core.sketches import keyed_hash
from gatewatch.core.sources import BUCKET, MINUTES, TRY, UNKNOWN, Bucket, Buckets, decode, encode
from gatewatch.core.times import MINUTE


def subjects_of(event: LoginEvent) -> list[Subject]:
    """The sources an event comes from, the tenant last. What is unknown is left out."""
    found: list[Subject] = []
    if event.ip:
        found.append(("ip", event.ip))
        found.append(("prefix", prefix_of(event.ip)))
    if event.asn is not None and event.asn.number:
        found.append(("asn", str(event.asn.number)))
    if event.geo is not None and event.geo.country:
        found.append(("country", event.geo.country))
    if fingerprint := ua_fingerprint(event):
        found.append(("ua", fingerprint))
    found.append(("tenant", ""))
    return found


def count_failure(buckets: Buckets, event: LoginEvent, salt: bytes) -> int:
    """Count an attack failure, in place; returns the bucket's index. `salt` keys the user's hash."""
    return count_try(buckets, event.time, *tried(event, salt))


def tried(event: LoginEvent, salt: bytes) -> tuple[int, bool]:
    """Who was tried, as a bucket knows them: the keyed hash of the user, and whether the name was unknown."""
    return keyed_hash(salt, event.user_key), event.reason_class == "unknown_user"


def count_try(buckets: Buckets, time: int, user: int, unknown: bool) -> int:
    """Count one failure on a user, in place; returns the bucket's index."""
    index = time // BUCKET
    bucket = buckets.get(index)
    if bucket is None:
        bucket = buckets[index] = Bucket(time, time)
    count_in(bucket, time, user, unknown)
    return index


def count_in(bucket: Bucket, time: int, user: int, unknown: bool) -> None:
    """Count one failure of the user with hash `user` in its bucket."""
    if time < bucket.first:
        bucket.first = time
    if time > bucket.last:
        bucket.last = time
    bucket.failures += 1
    bucket.minutes[time // MINUTE % MINUTES] += 1
    users = bucket.users
    users.add(user, TRY)
    if unknown and user in users.counts:
        users.counts[user] |= UNKNOWN


def unite(shares: Iterable[Mapping[int, Bucket]]) -> Buckets:
    """The buckets of a source over all partitions. What only one has is not copied: the result is for reading."""
    united: Buckets = {}
    new: set[int] = set()
    for share in shares:
        for index, bucket in share.items():
            have = united.get(index)
            if have is None:
                united[index] = bucket
                continue
            if index not in new:
                new.add(index)
                have = united[index] = decode(encode(have))
            have.merge(bucket)
    return united
