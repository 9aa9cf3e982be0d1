"""How clients of Kafka are made from the settings, and that nobody else pays for them."""

import subprocess
import sys

import pytest
from confluent_kafka import KafkaError, KafkaException

from gatewatch.adapters.kafka.connection import close_in_time, config
from gatewatch.settings import Settings, SettingsError, read

SCRAM = {"security": "sasl_ssl", "sasl": "SCRAM-SHA-512", "username": "gate", "password": "secret"}
OAUTH = {
    "security": "sasl_ssl",
    "sasl": "OAUTHBEARER",
    "oauth_url": "https://id.example/token",
    "oauth_client": "gatewatch",
    "oauth_secret": "secret",
    "oauth_scope": "kafka",
}
TLS = {"security": "ssl", "ca": "/ca.pem", "certificate": "/own.pem", "certificate_key": "/own.key"}


def _settings(**given: str) -> Settings:
    return read({f"GATEWATCH_KAFKA_{name.upper()}": value for name, value in given.items()})


def _config(**given: str) -> dict[str, object]:
    known = ("security", "sasl", "ssl.")
    return {key: value for key, value in config(_settings(**given)).items() if key.startswith(known)}


def test_credentials_and_certificates() -> None:
    """SCRAM, OAUTHBEARER by OpenID Connect and client certificates are given to the client as it knows them."""
    assert _config(**SCRAM) == {
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "gate",
        "sasl.password": "secret",
    }
    assert _config(**OAUTH) == {
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": "https://id.example/token",
        "sasl.oauthbearer.client.id": "gatewatch",
        "sasl.oauthbearer.client.secret": "secret",
        "sasl.oauthbearer.scope": "kafka",
    }
    assert _config(**TLS) == {
        "security.protocol": "ssl",
        "ssl.ca.location": "/ca.pem",
        "ssl.certificate.location": "/own.pem",
        "ssl.key.location": "/own.key",
    }


@pytest.mark.parametrize("given", [{}, SCRAM, OAUTH, {"security": "ssl"}])
def test_the_library_takes_it(given: dict[str, str]) -> None:
    """Clients can be made of it: no option is unknown to the library, or not built into it."""
    from confluent_kafka import Producer

    Producer(config(_settings(bootstrap="127.0.0.1:1", **given)))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"sasl": "PLAIN", "username": "x"}, "GATEWATCH_KAFKA_SASL"),
        ({"security": "sasl_ssl"}, "GATEWATCH_KAFKA_SASL"),
        ({"security": "sasl_ssl", "sasl": "SCRAM-SHA-256"}, "GATEWATCH_KAFKA_USERNAME"),
        (
            {"security": "sasl_ssl", "sasl": "OAUTHBEARER", "oauth_url": "https://x"},
            "GATEWATCH_KAFKA_OAUTH_CLIENT",
        ),
        ({"security": "tls"}, "GATEWATCH_KAFKA_SECURITY"),
        ({"prefix": "a b"}, "GATEWATCH_KAFKA_PREFIX"),
        ({"partitions": "0"}, "GATEWATCH_KAFKA_PARTITIONS"),
        ({"delivery_seconds": "0"}, "GATEWATCH_KAFKA_DELIVERY_SECONDS"),
    ],
)
def test_what_does_not_go_together_is_named(given: dict[str, str], named: str) -> None:
    """A wrong combination ends with one line that names the variable and no secret."""
    with pytest.raises(SettingsError, match=named) as told:
        _settings(**given)
    assert "secret" not in str(told.value)


def test_without_kafka_nothing_of_it_is_loaded() -> None:
    """Every command, the API and the workers can be imported without the client library."""
    code = (
        "import sys; import gatewatch.cli.app, gatewatch.api.app, gatewatch.worker, gatewatch.bootstrap;"
        "sys.exit('confluent_kafka' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_client_that_cannot_be_closed(capsys: pytest.CaptureFixture[str]) -> None:
    """What goes wrong while it leaves is told in one line; whoever closes it goes on."""

    def close() -> None:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))  # noqa: SLF001 - the library's own name

    close_in_time(close)
    told = "".join(capsys.readouterr())
    assert "left without saying good-bye" in told
    assert "Traceback" not in told
