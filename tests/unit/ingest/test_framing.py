import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.core.records import MAX_DEAD_LETTER
from gatewatch.ingest.contract import MAX_LINE, Framing, Line
from gatewatch.ingest.framing import JsonFramer, LineFramer, framer_for
from tests.ingesting import lines


def test_lines() -> None:
    """Lines are cut at LF or CRLF and know their offset and number."""
    assert lines(b"a\r\nbc\n\nd", "sshd") == [
        Line(b"a", 0, 1),
        Line(b"bc", 3, 2),
        Line(b"", 6, 3),
        Line(b"d", 7, 4),
    ]


@pytest.mark.parametrize(("data", "unfinished"), [(b"a\nb", True), (b"a\nb\n", False), (b"", False)])
def test_unfinished(data: bytes, unfinished: bool) -> None:
    """A last line without its end is read, and that is known."""
    framer = LineFramer()
    assert len([*framer.feed(data), *framer.end()]) == len(data.split())
    assert framer.unfinished is unfinished


@given(st.binary(max_size=400), st.integers(1, 50))
def test_lines_do_not_hang_on_chunks(data: bytes, chunk: int) -> None:
    """However the stream is cut into chunks, the lines are the same, and hold every byte of it."""
    framed = lines(data, "sshd", chunk)
    assert framed == lines(data, "sshd")
    whole = data.split(b"\n") if not data.endswith(b"\n") else data[:-1].split(b"\n")
    expected = [line.removesuffix(b"\r") for line in whole] if data else []
    bom = data.startswith(b"\xef\xbb\xbf")
    assert bom or [line.data for line in framed] == expected
    assert all(data[line.offset :].startswith(line.data) for line in framed)


@pytest.mark.parametrize("chunk", [1_000, 65_536, 5_000_000])
def test_long_line(chunk: int) -> None:
    """Of a line over the limit its head, size and hash are kept; the next line is whole."""
    data = bytes(range(32, 127)) * 20_000
    long, after = lines(data + b"\nafter\n", "sshd", chunk)
    assert len(long.data) == MAX_DEAD_LETTER
    assert (long.truncated_size, long.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert after == Line(b"after", len(data) + 1, 2)


def test_longest_line() -> None:
    """A line of exactly the limit is whole."""
    (line,) = lines(b"x" * MAX_LINE, "sshd", 1_000)
    assert (len(line.data), line.truncated_size) == (MAX_LINE, 0)


DOCUMENT = b"""[
  {"a": 1, "b": ["x,]", {"c": "\\"}"}]},
  {"a": 2}
]
"""


@pytest.mark.parametrize("chunk", [1, 7, 1_000])
def test_document(chunk: int) -> None:
    """A pretty-printed array falls into its elements, each with the offset and number of its first line."""
    first, second = lines(DOCUMENT, chunk=chunk)
    assert first == Line(b'{"a": 1, "b": ["x,]", {"c": "\\"}"}]}', 4, 2)
    assert second == Line(b'{"a": 2}', DOCUMENT.index(b'{"a": 2}'), 3)


def test_pretty_printed_objects() -> None:
    """Objects over several lines, one after another, are a document too."""
    data = json.dumps({"a": 1}, indent=2) + "\n" + json.dumps({"a": 2}, indent=2) + "\n"
    assert [(json.loads(line.data), line.number) for line in lines(data.encode())] == [
        ({"a": 1}, 1),
        ({"a": 2}, 4),
    ]


@pytest.mark.parametrize(
    ("framing", "head", "expected"),
    [
        ("lines", b"[\n", LineFramer),
        ("json", b'{"a": 1}\n', LineFramer),
        ("json", b'{"a": 1\n{"a": 2}\n', LineFramer),
        ("json", b'[{"a": 1}]\n[{"a": 2}]\n', LineFramer),
        ("json", b"timestamp,success\n", LineFramer),
        ("json", b"", LineFramer),
        ("json", b"[\n", JsonFramer),
        ("json", b" \n[{", JsonFramer),
        ("json", b"\xef\xbb\xbf[\n", JsonFramer),
        ("json", b"{\n", JsonFramer),
        ("json", b'{ "a": 1,\n  "b": 2 }', JsonFramer),
    ],
)
def test_choice(framing: Framing, head: bytes, expected: type) -> None:
    """JSON whose first line is complete is read by lines, so that a broken one harms no other."""
    assert isinstance(framer_for(framing, head), expected)


def test_broken_element_leaves_its_neighbours() -> None:
    """In a document a missing quote or colon spoils its element only."""
    data = b'[\n{"a": 1},\n{"a" 2},\n{"a": "3},\n{"a": 4}\n]'
    framed = [line.data for line in lines(data)]
    assert framed[0] == b'{"a": 1}'
    assert framed[1] == b'{"a" 2}'
    assert b'"3}' in framed[2]


def test_unclosed_document() -> None:
    """A document that ends too early gives what it holds and is known as unfinished."""
    framer = JsonFramer()
    assert [line.data for line in (*framer.feed(b'[{"a": 1}, {"b"'), *framer.end())] == [b'{"a": 1}', b'{"b"']
    assert framer.unfinished


def test_long_element() -> None:
    """A huge element is not held in memory, and the next one is whole."""
    long, after = lines(b'[\n{"a": "' + b"x" * (3 * MAX_LINE) + b'"}, {"b": 1}]')
    assert (len(long.data), long.truncated_size) == (MAX_DEAD_LETTER, 3 * MAX_LINE + 9)
    assert after.data == b'{"b": 1}'


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=4), v, max_size=3),
    max_leaves=6,
)


@given(
    st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=3), min_size=1, max_size=4),
    st.integers(1, 40),
)
def test_every_element_of_any_document(values: list[object], chunk: int) -> None:
    """Any array of objects falls into exactly its objects, however it is cut into chunks."""
    data = json.dumps(values, indent=1, ensure_ascii=False).encode()
    assert [json.loads(line.data) for line in lines(data, chunk=chunk)] == values


@given(st.text('[]{}",\\\n ab:').map(str.encode), st.integers(1, 20))
def test_documents_do_not_hang_on_chunks(data: bytes, chunk: int) -> None:
    """However broken a document is, its pieces do not hang on the chunks and lie where they say."""

    def framed(size: int) -> list[Line]:
        framer = JsonFramer()
        parts = [data[start : start + size] for start in range(0, len(data), size)]
        return [line for part in parts for line in framer.feed(part)] + list(framer.end())

    assert framed(chunk) == framed(1_000)
    for line in framed(chunk):
        assert data[line.offset :].startswith(line.data)
        assert line.number == 1 + data[: line.offset].count(b"\n")
