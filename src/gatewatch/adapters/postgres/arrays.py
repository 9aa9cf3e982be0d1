"""Arrays as parameters: columns of texts, numbers or bytes go to PostgreSQL as they were packed by us.

The driver packs an array element by element in interpreted code; a batch has some ten thousand of them.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

from gatewatch.adapters.postgres import packing


class Texts(bytes):
    """A packed `text[]`."""


class Numbers(bytes):
    """A packed `bigint[]`."""


class Blobs(bytes):
    """A packed `bytea[]`."""


class _Packed(Dumper):
    """What is packed goes as it is."""

    format = Format.BINARY

    def dump(self, obj: bytes) -> Buffer:
        return obj


class _TextsDumper(_Packed):
    oid = psycopg.adapters.types["text"].array_oid


class _NumbersDumper(_Packed):
    oid = psycopg.adapters.types["int8"].array_oid


class _BlobsDumper(_Packed):
    oid = psycopg.adapters.types["bytea"].array_oid


for kind, dumper in ((Texts, _TextsDumper), (Numbers, _NumbersDumper), (Blobs, _BlobsDumper)):
    psycopg.adapters.register_dumper(kind, dumper)


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
