"""Settings of the API are checked before anything listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewatch.settings import SettingsError, environment, read, traces_wanted


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


def test_a_value_may_lie_in_a_file(tmp_path: Path) -> None:
    """As orchestrators hand out secrets; what surrounds the value is no part of it."""
    file = tmp_path / "url"
    file.write_text("postgresql://db.example/gatewatch\n")
    assert read({"DATABASE_URL_FILE": str(file)}).database_url == "postgresql://db.example/gatewatch"
    assert (
        read({"GATEWATCH_DATABASE_URL_FILE": str(file)}).database_url == "postgresql://db.example/gatewatch"
    )
    assert read({"GATEWATCH_KEY_FILE": "", "GATEWATCH_KEY": "x"}).key == "x"


def test_a_value_in_a_file_must_be_readable_and_the_only_one(tmp_path: Path) -> None:
    """A file that is not there, holds no text, or stands beside a value is named."""
    missing, binary = tmp_path / "missing", tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for given, said in [
        ({"GATEWATCH_KEY_FILE": str(missing)}, f"GATEWATCH_KEY_FILE: {missing}: No such file or directory"),
        ({"GATEWATCH_KEY_FILE": str(binary)}, f"GATEWATCH_KEY_FILE: {binary}: it holds no text"),
        (
            {"GATEWATCH_KEY_FILE": str(missing), "GATEWATCH_KEY": "x"},
            "GATEWATCH_KEY and GATEWATCH_KEY_FILE are both set",
        ),
    ]:
        with pytest.raises(SettingsError) as caught:
            read(given)
        assert str(caught.value) == said


def test_a_child_is_not_told_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read from a file is handed on as a value alone."""
    file = tmp_path / "key"
    file.write_text("secret")
    monkeypatch.setenv("GATEWATCH_KEY_FILE", str(file))
    assert read(environment(read({"GATEWATCH_KEY_FILE": str(file)}))).key == "secret"


def test_a_connectors_topics() -> None:
    """Each topic has its source; what is no such list is said in one line."""
    brokers = {"GATEWATCH_CONNECTOR_BOOTSTRAP": "hub.example:9093"}
    found = read(brokers | {"GATEWATCH_CONNECTOR_TOPICS": "sign-ins=entra, kc.events=keycloak,"})
    assert found.vendor_topics == {"sign-ins": "entra", "kc.events": "keycloak"}
    assert read({"GATEWATCH_KAFKA_BOOTSTRAP": "b:1", "GATEWATCH_CONNECTOR_TOPICS": "a=seed"}).vendor_topics
    for text, said in [
        ("sign-ins", "'sign-ins' is no topic=source"),
        ("a b=entra", "'a b=entra' is no topic=source"),
        ("a=entra,a=native", "a topic is named twice"),
    ]:
        with pytest.raises(SettingsError, match=f"GATEWATCH_CONNECTOR_TOPICS: {said}"):
            read(brokers | {"GATEWATCH_CONNECTOR_TOPICS": text})


def test_a_connectors_credentials() -> None:
    """They are checked as the log's are, and are its own."""
    hub = {
        "GATEWATCH_CONNECTOR_BOOTSTRAP": "hub.example:9093",
        "GATEWATCH_CONNECTOR_SECURITY": "sasl_ssl",
        "GATEWATCH_CONNECTOR_SASL": "PLAIN",
        "GATEWATCH_CONNECTOR_USERNAME": "$ConnectionString",
    }
    found = read(hub)
    assert (found.connector_username, found.kafka_username) == ("$ConnectionString", "")
    for missing, said in [
        ("GATEWATCH_CONNECTOR_USERNAME", "GATEWATCH_CONNECTOR_USERNAME: PLAIN needs it"),
        ("GATEWATCH_CONNECTOR_SASL", "GATEWATCH_CONNECTOR_SASL: 'nothing' does not go with"),
    ]:
        with pytest.raises(SettingsError, match=said):
            read({name: value for name, value in hub.items() if name != missing})


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/t"}, True),
    ],
)
def test_traces_are_asked_for(monkeypatch: pytest.MonkeyPatch, more: dict[str, str], wanted: bool) -> None:
    """A collector that is named asks for traces, unless something speaks against it."""
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    assert traces_wanted() == wanted
