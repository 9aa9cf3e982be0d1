"""A message of a vendor's topic into records, within the limits of a request; nothing that it may hold raises."""

from hashlib import blake2b
from typing import NamedTuple

from gatewatch.ingest.contract import Adapter, Arrival, Refused, rejected
from gatewatch.ingest.packed import MAGIC, unpacked
from gatewatch.ingest.requests import Reading, TooManyItems, read_records


class Limits(NamedTuple):
    """The most bytes of a message as sent and decompressed, the most events in it, and how deep JSON may be nested."""

    size: int
    unpacked: int
    items: int
    depth: int


def place_of(topic: str, partition: int, offset: int) -> bytes:
    """16 bytes that identify a message by where it lies: items without an id of the vendor's get theirs from it."""
    return blake2b(f"{topic}\0{partition}\0{offset}".encode(), digest_size=16).digest()


def read_message(
    value: bytes, adapter: type[Adapter], arrival: Arrival, place: bytes, limits: Limits
) -> Reading:
    """What a message turned out to hold; one that is over a limit as a whole is one reject with its bytes."""
    try:
        if len(value) > limits.size:
            raise Refused("too_large", f"The message has {len(value):,} bytes; {limits.size:,} are allowed.")
        data = unpacked(value, limits.unpacked) if value.startswith(MAGIC) else value
        return read_records(data, adapter, False, arrival, place, limits.items, limits.depth)
    except TooManyItems:
        detail = f"The message holds more than {limits.items:,} events."
        return _refused(Refused("too_many_items", detail), value, arrival, place)
    except Refused as refusal:
        return _refused(refusal, value, arrival, place)


def _refused(refusal: Refused, value: bytes, arrival: Arrival, place: bytes) -> Reading:
    return Reading([], [(0, rejected(refusal, place.hex(), value, arrival))])
