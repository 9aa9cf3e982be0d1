"""Settings of the API are checked before anything listens."""

from __future__ import annotations

import pytest

from gatewatch.settings import SettingsError, environment, read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "gate.example"),
        ("PUBLIC_URL", "ftp://gate.example"),
        ("PUBLIC_URL", "https://"),
        ("PUBLIC_URL", "https://gate.example/?x=1"),
        ("PUBLIC_URL", "http://[::1"),
        ("PUBLIC_URL", "http://gate.example:99999"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, 10.0.0.1/8"),
        ("DEPTH_LIMIT", "65"),
        ("ITEM_LIMIT", "0"),
        ("SEND_SECONDS", "0"),
        ("API_PORT", "65536"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    """The message begins with the variable."""
    with pytest.raises(SettingsError, match=f"^GATEWATCH_{name}: "):
        read({f"GATEWATCH_{name}": value})


@pytest.mark.parametrize(
    ("url", "origin", "base_path", "host"),
    [
        ("https://Gate.example", "https://gate.example", "", "gate.example"),
        ("https://gate.example:443/gw/", "https://gate.example", "/gw", "gate.example"),
        ("http://gate.example:8080/a/b", "http://gate.example:8080", "/a/b", "gate.example"),
        ("http://[2001:db8::1]:80", "http://[2001:db8::1]", "", "2001:db8::1"),
        ("", "", "", "localhost"),
    ],
)
def test_the_public_url_gives_origin_base_path_and_host(
    url: str, origin: str, base_path: str, host: str
) -> None:
    """The origin is as browsers write it: without the usual port, in lower case."""
    found = read({"GATEWATCH_PUBLIC_URL": url})
    assert (found.origin, found.base_path) == (origin, base_path)
    assert host in found.hosts


def test_a_child_reads_the_same_settings() -> None:
    """What a process hands on to its children is read back as it was."""
    given = read(
        {
            "GATEWATCH_PUBLIC_URL": "https://gate.example/gw",
            "GATEWATCH_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "GATEWATCH_API_PORT": "0",
            "GATEWATCH_SEND_SECONDS": "0.5",
        }
    )
    assert read(environment(given)) == given
