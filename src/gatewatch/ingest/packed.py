"""Gzip from strangers, which may be a bomb: decompressed up to a limit."""

import zlib
from gzip import GzipFile
from io import BytesIO

from gatewatch.ingest.contract import Refused

#: How gzip begins; no JSON and no line of a log does.
MAGIC = b"\x1f\x8b"


def unpacked(data: bytes, most: int) -> bytes:
    """What gzip holds, with all its members. Raises `Refused` (`bad_gzip`; `too_large` for more than `most` bytes)."""
    try:
        with GzipFile(fileobj=BytesIO(data)) as stream:
            found = stream.read(most + 1)
    except (OSError, EOFError, zlib.error):
        raise Refused("bad_gzip", "This is no gzip, or not all of it.") from None
    if len(found) > most:
        raise Refused("too_large", f"Decompressed, {most:,} bytes are allowed.")
    return found
