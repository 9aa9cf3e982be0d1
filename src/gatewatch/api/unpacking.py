"""What a body is: its media type, and its gzip, which may be a bomb."""

from typing import NamedTuple

from starlette.datastructures import Headers

from gatewatch.api.problems import Problem
from gatewatch.ingest import packed
from gatewatch.ingest.contract import Refused

#: Media types of JSON, CloudEvents' structured and batch ones included; of lines; and of what an agent may send.
JSON = frozenset(
    {"", "application/json", "application/cloudevents+json", "application/cloudevents-batch+json"}
)
LINES = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)
TEXT = frozenset({"text/plain", "text/csv", "application/octet-stream"})


class Packing(NamedTuple):
    """How a body is written: in lines or as JSON, and whether in gzip."""

    lines: bool
    gzip: bool


def packing(headers: Headers, *, text: bool) -> Packing:
    """How a body is written, by its headers; `text` allows what agents send. Raises a `Problem` for anything else."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in JSON | LINES and not (text and kind in TEXT):
        allowed = ["application/json", "application/x-ndjson", *(sorted(TEXT) if text else [])]
        raise Problem(
            "unsupported_media_type", f"Send {' or '.join(allowed)}.", headers={"Accept": ", ".join(allowed)}
        )
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise Problem(
            "unsupported_media_type", "Send gzip or no encoding.", headers={"Accept-Encoding": "gzip"}
        )
    return Packing(kind in LINES, encoding != "identity")


def unpacked(body: bytes, most: int) -> bytes:
    """A gzip body, decompressed, with all its members. Raises a `Problem` for more than `most` bytes, or no gzip."""
    try:
        return packed.unpacked(body, most)
    except Refused as refusal:
        if refusal.reason == "too_large":
            raise Problem("body_too_large", refusal.detail) from None
        raise Problem("bad_encoding", "The body is no gzip, or not all of it.") from None
