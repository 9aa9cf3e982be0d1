"""JSON from strangers: bounded depth, lone surrogates repaired, every failure a `Refused`.

The last of two equal keys wins, as in JavaScript and PostgreSQL's jsonb. NaN and Infinity are no JSON.
"""

import re
from typing import Any, TypeVar

import msgspec

from gatewatch.ingest.contract import Refused

#: How deeply arrays and objects may be nested. What decodes must also be encodable, by us and by PostgreSQL.
MAX_DEPTH = 64
#: The byte order mark that some editors put before UTF-8.
BOM = b"\xef\xbb\xbf"

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)
_ESCAPE = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_any: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_items: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
T = TypeVar("T")


def check_depth(data: bytes, most: int = MAX_DEPTH) -> None:
    """Raises `Refused` (`too_deep`) for JSON nested over `most`, in time linear in its length."""
    if data.count(b"[") + data.count(b"{") <= most:
        return
    depth = 0
    for token in _TOKEN.finditer(data):
        first = data[token.start()]
        if first in b"[{":
            depth += 1
            if depth > most:
                raise Refused("too_deep", f"The JSON is nested more than {most} deep.")
        elif first in b"]}":
            depth -= 1


def decode(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """The value of the JSON. Raises `Refused` (`too_deep`, `bad_json`, `bad_encoding`) or `msgspec.ValidationError`."""
    check_depth(data)
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise
    except ValueError:
        pass
    try:
        return decoder.decode(without_lone_surrogates(data))
    except msgspec.ValidationError:
        raise
    except UnicodeDecodeError:
        raise Refused("bad_encoding", "The text is not UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise Refused("bad_json", f"{error}.") from None


def decode_value(data: bytes) -> Any:
    """Any JSON value. Raises `Refused`."""
    try:
        return decode(data, _any)
    except msgspec.ValidationError:
        raise Refused("number_out_of_range", "A number is too large.") from None


def decode_items(data: bytes) -> list[bytes]:
    """The items of a JSON array, each as its own JSON. Raises `Refused`."""
    try:
        return [bytes(item) for item in decode(data, _items)]
    except msgspec.ValidationError as error:
        raise Refused("bad_json", f"{error}.") from None


def without_lone_surrogates(data: bytes) -> bytes:
    """The JSON without escapes such as `\\ud800` that stand for half a character."""
    if b"\\u" not in data:
        return data
    return _ESCAPE.sub(lambda escape: b"" if escape[2] else escape[0], data)
