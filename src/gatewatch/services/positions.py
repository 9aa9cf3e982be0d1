"""The id of what a stream sends: opaque, for one tenant, and all that is needed to go on behind it.

It names, for each partition and lane, where the reader stands. It is bound to its tenant by a digest, not sealed: who
makes one up learns nothing, since only the tenant's own rows are read from wherever it points.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import blake2b
from typing import Annotated

import msgspec

from gatewatch.services.pages import BadQuery
from gatewatch.stream_ports import Positions

#: Characters of an id that may be one of ours: 1,024 partitions, each with both its numbers.
LONGEST = 40_000

_Part = Annotated[int, msgspec.Meta(ge=-1_024, lt=1_024)]
_Number = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]


class BadId(BadQuery):
    """An id that is none of ours, or of another tenant."""

    def __init__(self) -> None:
        super().__init__("this id does not belong to this stream: begin without one")


class _Id(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    of: bytes
    events: dict[_Part, _Number]
    outbox: dict[_Part, _Number]


_decode = msgspec.msgpack.Decoder(_Id).decode
_encode = msgspec.msgpack.Encoder().encode


def write(tenant: str, events: Mapping[int, int], outbox: Mapping[int, int]) -> str:
    """The id of a position."""
    packed = _encode((_digest(tenant), events, outbox))
    return urlsafe_b64encode(packed).rstrip(b"=").decode("ascii")


def read(tenant: str, text: str) -> Positions:
    """The position of an id, from a stranger. Raises `BadId`."""
    try:
        if len(text) > LONGEST:
            raise BadId
        found = _decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, msgspec.DecodeError):
        raise BadId from None
    if found.of != _digest(tenant):
        raise BadId
    return Positions(_begun(found.events), _begun(found.outbox))


def _begun(numbers: dict[int, int]) -> dict[int, int]:
    return {part: number for part, number in numbers.items() if number}


def _digest(tenant: str) -> bytes:
    return blake2b(tenant.encode(), digest_size=8, person=b"stream").digest()
