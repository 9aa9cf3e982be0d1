"""Arrays as parameters: columns of texts, numbers or bytes go to PostgreSQL as they were packed by us.

The driver packs an array element by element in interpreted code; a batch has some ten thousand of them.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

from gatewatch.adapters.postgres import packing


class Texts(bytes):
    """A packed `text[]`."""


class Numbers(bytes):
    """A packed `bigint[]`."""


class Blobs(bytes):
    """A packed `bytea[]`."""


_OIDS: dict[type, int] = {
    kind: psycopg.adapters.types[element].array_oid
    for kind, element in ((Texts, "text"), (Numbers, "int8"), (Blobs, "bytea"))
}


class _Packed(Dumper):
    """What is packed goes as it is. It is the object that has its type's OID: a class with one would be taken for all
    arrays of the type.
    """

    format = Format.BINARY

    def __init__(self, cls: type, context: AdaptContext | None = None) -> None:
        super().__init__(cls, context)
        self.oid = _OIDS[cls]

    def dump(self, obj: bytes) -> Buffer:
        return obj


for kind in _OIDS:
    psycopg.adapters.register_dumper(kind, _Packed)


def array(column: Sequence[Any]) -> bytes | list[Any]:
    """The column as a parameter: packed, or, where it is of anything else or has a None, as the list that the driver
    packs. Numbers fit eight bytes.
    """
    kinds = {*map(type, column)}
    if kinds == {str}:
        return Texts(packing.texts(column))
    if kinds == {int}:
        return Numbers(packing.numbers(column))
    if kinds == {bytes}:
        return Blobs(packing.blobs(column))
    return [*column]
