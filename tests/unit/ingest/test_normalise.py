import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.core.events import MAX_TEXT, MAX_USER_AGENT, Asn, Flag, Geo
from gatewatch.core.keys import user_key
from gatewatch.ingest.contract import Refused
from gatewatch.ingest.normalise import (
    Address,
    address,
    clean,
    event_identifier,
    identifier,
    network,
    peer,
    place,
    short,
    storable,
    texts,
    user_agent,
)


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [("plain", "plain"), ("a\0b", "ab"), ("é\0", "é"), ("a\ud800b", "ab"), ("\udfff", ""), ("😀", "😀")],
)
def test_clean(given_text: str, kept: str) -> None:
    """NUL and lone surrogates go, everything else stays."""
    assert clean(given_text) == kept


@given(st.text(st.characters(exclude_categories=())))
def test_clean_text_can_be_stored(text: str) -> None:
    """Whatever the text, what is kept is UTF-8 without NUL."""
    assert b"\0" not in clean(text).encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.7", Address("203.0.113.7")),
        (" 203.0.113.7 ", Address("203.0.113.7")),
        ("203.0.113.7:443", Address("203.0.113.7", 443)),
        ("203.0.113.7:", Address("203.0.113.7")),
        ("::ffff:203.0.113.7", Address("203.0.113.7")),
        ("::FFFF:cb00:7107", Address("203.0.113.7")),
        ("[::ffff:203.0.113.7]:22", Address("203.0.113.7", 22)),
        ("2001:DB8:0::1", Address("2001:db8::1")),
        ("[::1]", Address("::1")),
        ("[::1]:443", Address("::1", 443)),
        ("fe80::1%eth0", Address("fe80::1")),
        ("[fe80::1%eth0]:22", Address("fe80::1", 22)),
        *((none, Address()) for none in ("", "-", "unknown", "UNKNOWN", "null", "None", "n/a", None)),
    ],
)
def test_addresses(text: str | None, expected: Address) -> None:
    """An address has one spelling: without port, zone id and the IPv4 prefix of IPv6."""
    assert address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "999.1.1.1",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.4/24",
            "01.2.3.4",
            "1.2.3.4, 5.6.7.8",
            "host.example",
            "gggg::1",
        ),
        *(
            "1.2.3.4:x",
            "1.2.3.4:65536",
            "1.2.3.4:123456",
            "[::1",
            "[::1]x",
            "::1]",
            "1" * 200,
            "1.2.3.4:٣",
            "[]",
        ),
    ],
)
def test_bad_addresses(text: str) -> None:
    """What is no address is refused, never guessed at."""
    with pytest.raises(Refused) as refusal:
        address(text)
    assert refusal.value.reason in ("bad_address", "bad_field")


@pytest.mark.parametrize("text", ["host.example", "host", "ec2-1-2-3-4.example.", "_x-y"])
def test_host_names(text: str) -> None:
    """Where host names are expected, one is kept as such, without an address."""
    assert peer(text) == Address(hostname=text)


@pytest.mark.parametrize("text", ["999.1.1.1", "a b", "a..b", ".", "x" * 300, "a.1"])
def test_no_host_names(text: str) -> None:
    """A broken address does not pass for a host name."""
    with pytest.raises(Refused):
        peer(text)


def test_short_text_is_cut_and_flagged() -> None:
    """A text over the limit is cut, and flagged once."""
    flags: list[Flag] = []
    assert short("x" * 300, flags) == "x" * MAX_TEXT
    assert short("y" * 300, flags) == "y" * MAX_TEXT
    assert flags == ["text_truncated"]
    assert short(None, flags) == ""


def test_long_names_stay_apart() -> None:
    """Two 10 kB names that differ in their last letter remain two users; in letter case only, one."""
    flags: list[Flag] = []
    first, second = (identifier("n" * 10_000 + last, flags, "user_truncated") for last in "ab")
    assert len(first) == len(second) == MAX_TEXT
    assert user_key(first, "", "") != user_key(second, "", "")
    upper = identifier("N" * 10_000 + "A", flags, "user_truncated")
    assert user_key(upper, "", "") == user_key(first, "", "")
    assert flags == ["user_truncated"]


def test_identifiers_of_numbers() -> None:
    """A number is an identifier, zero too."""
    assert [identifier(value, []) for value in (0, 17, None, "")] == ["0", "17", "", ""]


@given(
    st.text(st.characters(exclude_categories=()), max_size=400), st.text(st.characters(exclude_categories=()))
)
def test_event_ids_stay_apart(one: str, other: str) -> None:
    """Two event ids that differ at all stay different, however they are cut or cleaned."""
    assert (event_identifier(one) == event_identifier(other)) == (one == other)
    assert len(event_identifier(one)) <= MAX_TEXT


def test_user_agent_is_cut() -> None:
    """A 20 kB user agent is cut and flagged."""
    flags: list[Flag] = []
    assert len(user_agent("m" * 20_000, flags)) == MAX_USER_AGENT
    assert flags == ["ua_truncated"]


def test_lists_are_bounded() -> None:
    """A list keeps its first 64 items and is flagged."""
    flags: list[Flag] = []
    assert len(texts(["g"] * 1_000, flags)) == 64
    assert flags == ["text_truncated"]


@pytest.mark.parametrize(
    ("given_geo", "kept", "flagged"),
    [
        (Geo("no", "R", "C", 59.9, 10.7, 5), Geo("NO", "R", "C", 59.9, 10.7, 5), False),
        (Geo("Norway", lat=59.9, lon=10.7), Geo("", lat=59.9, lon=10.7), True),
        (Geo("NO", lat=95.0, lon=10.7), Geo("NO"), True),
        (Geo("NO", lat=59.9), Geo("NO"), True),
        (Geo("", city="C"), None, False),
        (Geo("NO", accuracy_km=-1), Geo("NO"), False),
    ],
)
def test_places(given_geo: Geo, kept: Geo | None, flagged: bool) -> None:
    """Of a place that a source gives, impossible parts are dropped and flagged."""
    flags: list[Flag] = []
    assert place(given_geo, flags) == kept
    assert flags == (["geo_invalid"] if flagged else [])


@pytest.mark.parametrize("number", [64500, "64500", "AS64500", " as64500 "])
def test_networks(number: int | str) -> None:
    """An ASN is a number in several spellings."""
    assert network(number, "Org", "isp", []) == Asn(64500, "Org", "isp")


def test_no_network() -> None:
    """Nothing known is no network, and nonsense is refused."""
    assert network(None, None, None, []) is None
    with pytest.raises(Refused, match="autonomous system"):
        network("x", None, None, [])
    with pytest.raises(Refused, match="autonomous system"):
        network(2**32, None, None, [])


def test_storable() -> None:
    """Decoded JSON loses NUL at every depth, and keeps integers over 64 bits as text."""
    value = {"a\0": ["b\0", {"c": 2**70}], "d": -(2**63), "e": None, "f": 1.5, "g": True}
    assert storable(value) == {"a": ["b", {"c": str(2**70)}], "d": -(2**63), "e": None, "f": 1.5, "g": True}
