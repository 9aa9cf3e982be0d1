"""What adapters of vendors' JSON share: a record is an object; some vendors put many into an envelope.

An envelope is an object with an array of records, such as `{"records": […]}`: each of them stands by itself, the ones
beside a broken one included.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from gatewatch.core.events import LoginEvent
from gatewatch.ingest.contract import (
    Arrival,
    Ignored,
    IgnoreReason,
    Line,
    Refused,
    Result,
    generated_id,
    record,
    rejected,
    too_long,
)
from gatewatch.ingest.framing import JsonFramer
from gatewatch.ingest.safejson import BOM, decode, decode_items, decode_value

#: What a record says: (object, id where it has none, arrival) -> an event, or why it is none. Raises `Refused`.
Interpret = Callable[[dict[str, Any], str, Arrival], LoginEvent | IgnoreReason]

Shape = TypeVar("Shape")

_members: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_documents(
    line: Line, identity: str, arrival: Arrival, envelope: tuple[str, ...], interpret: Interpret
) -> Sequence[Result]:
    """What became of an object, of the items of an array, or of those of an envelope (see `opened`)."""
    data = line.data.removeprefix(BOM).strip()
    if line.truncated_size:
        return [too_long(line, generated_id(identity, line.offset, 0, line.data), arrival)]
    if not data:
        return [Ignored("blank", line.number)]
    try:
        items = decode_items(data) if data[0] == ord("[") else opened(data, envelope)
    except Refused as refusal:
        return [rejected(refusal, generated_id(identity, line.offset, 0, data), data, arrival)]
    results: list[Result] = []
    for index, item in enumerate([data] if items is None else items):
        id = generated_id(identity, line.offset, index, item)
        try:
            results.append(_read(item, id, line.number, arrival, interpret))
        except Refused as refusal:
            results.append(rejected(refusal, id, item, arrival))
    return results or [Ignored("empty_array", line.number)]


def _read(data: bytes, id: str, number: int, arrival: Arrival, interpret: Interpret) -> Result:
    document = decode_value(data)
    if not isinstance(document, dict):
        raise Refused("not_an_object", "The JSON is no object.")
    found = interpret(document, id, arrival)
    return record(found, data, arrival) if isinstance(found, LoginEvent) else Ignored(found, number)


def opened(data: bytes, names: tuple[str, ...]) -> list[bytes] | None:
    """The items of the array that an object holds under one of `names`; None where it is no such envelope.

    Where something in it is broken or too deep, it is taken apart item by item.
    """
    if not names or data[:1] != b"{":
        return None
    try:
        members = decode(data, _members)
        found = next((bytes(members[name]) for name in names if name in members), b"")
        return decode_items(found) if found[:1] == b"[" else None
    except (Refused, msgspec.ValidationError):
        return _taken_apart(data, names)


def _taken_apart(data: bytes, names: tuple[str, ...]) -> list[bytes] | None:
    """The items of an envelope that begins with its array, by its brackets alone."""
    head = re.match(rb'\{\s*"(?:' + "|".join(names).encode() + rb')"\s*:\s*(?=\[)', data)
    if head is None:
        return None
    framer, end = JsonFramer(), data.rfind(b"]") + 1
    array = data[head.end() : end] if end > head.end() else data[head.end() :]
    return [line.data for line in (*framer.feed(array), *framer.end())]


def shaped(document: dict[str, Any], shape: type[Shape]) -> Shape:
    """The fields that the shape knows; numbers may be texts. Raises `Refused` (`bad_field`) for a wrong type."""
    try:
        return msgspec.convert(document, shape, strict=False)
    except (msgspec.ValidationError, OverflowError) as error:
        raise Refused("bad_field", f"{error}.") from None
