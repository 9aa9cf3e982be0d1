import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.ingest.contract import Refused
from gatewatch.ingest.safejson import (
    MAX_DEPTH,
    check_depth,
    decode_items,
    decode_value,
    without_lone_surrogates,
)


def reason(data: bytes) -> str:
    """The code with which the JSON is refused."""
    with pytest.raises(Refused) as refusal:
        decode_value(data)
    return refusal.value.reason


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{", "bad_json"),
        (b'{"a":1} x', "bad_json"),
        (b'{"a":1,}', "bad_json"),
        (b"NaN", "bad_json"),
        (b'{"a":-Infinity}', "bad_json"),
        (b'"a\0b"', "bad_json"),
        (b"", "bad_json"),
        (b'"\xff"', "bad_encoding"),
        (b'"\xed\xa0\x80"', "bad_encoding"),
        (b"1e130000", "number_out_of_range"),
        (b"9" * 5_000, "number_out_of_range"),
        (b"[" * 100_000, "too_deep"),
        (b"[" * 100_000 + b"]" * 100_000, "too_deep"),
        (b'{"a":' * 100_000, "too_deep"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "too_deep"),
    ],
)
def test_refused(data: bytes, code: str) -> None:
    """JSON that cannot be kept is refused with the reason."""
    assert reason(data) == code


def test_allowed_depth() -> None:
    """The limit itself is allowed, and brackets in strings do not count."""
    decode_value(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    check_depth(b'["' + b"[{" * 1_000 + b'\\"[[[[' * 100 + b'"]')
    check_depth(b"[" + b"[]," * 1_000 + b"[]]")


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'"a\\ud800b"', "ab"),
        (b'"\\udc00"', ""),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\ud83d\\ud83d\\ude00"', "😀"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'"\\ud800\\\\"', "\\"),
        (b'"a\\u0000b"', "a\0b"),
    ],
)
def test_lone_surrogates(data: bytes, value: str) -> None:
    """Half of a character is dropped, and nothing but that."""
    assert decode_value(data) == value


def test_duplicate_keys() -> None:
    """The last of two equal keys wins."""
    assert decode_value(b'{"a":1,"a":2}') == {"a": 2}


def test_items() -> None:
    """An array's items come as their own JSON; what is no array is refused."""
    assert decode_items(b'[{"a": 1}, 2]') == [b'{"a": 1}', b"2"]
    with pytest.raises(Refused):
        decode_items(b"{}")


@given(st.binary(max_size=200) | st.text('[]{}"\\,:u0d8aeEfN1 \n').map(str.encode))
def test_never_anything_but_refused(data: bytes) -> None:
    """Whatever the bytes, they decode or are refused."""
    try:
        value = decode_value(data)
    except Refused:
        return
    # What decoded can be encoded again.
    assert msgspec.json.encode(value)


@given(st.text())
def test_repair_leaves_good_json_alone(text: str) -> None:
    """Taking lone surrogates out changes nothing where there are none."""
    data = msgspec.json.encode(text)
    assert without_lone_surrogates(data) == data
