"""Brokers that want to know who we are: TLS with SCRAM and with OAuth 2, and what happens with the wrong password."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives import serialization

from gatewatch import bootstrap, bootstrap_kafka
from gatewatch.connecting_ports import Message, VendorTopics
from gatewatch.connector import Connector
from gatewatch.core import records
from gatewatch.ports import Unavailable
from gatewatch.simulator.wire import native_json
from scripts.kafka import free_ports
from tests.builders import START, login
from tests.integration.heart.rig import record_of
from tests.integration.kafka.rig import OnKafka
from tests.support.commands import until
from tests.support.kafka import running

PASSWORD = "a-password-nobody-should-read"

_SECURE = """\
listeners=PLAINTEXT://127.0.0.1:{{port}},SECURE://127.0.0.1:{secure},CONTROLLER://127.0.0.1:{{controller}}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},SECURE://127.0.0.1:{secure}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512,OAUTHBEARER
listener.name.secure.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.oauthbearer.sasl.jaas.config=\
org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:gate
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs the broker's certificate."""
    return trustme.CA()


@pytest.fixture
def secured(authority: trustme.CA, database: str, tmp_path: Path) -> Iterator[tuple[OnKafka, dict[str, Any]]]:
    """Gatewatch prepared on a broker with a secure listener beside the plain one, and the settings for that one."""
    keystore, secure = tmp_path / "server.pem", free_ports()[0]
    issued = authority.issue_cert("127.0.0.1")
    keystore.write_bytes(
        _pkcs8(issued.private_key_pem.bytes()) + b"".join(c.bytes() for c in issued.cert_chain_pems)
    )
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with running(_SECURE.format(secure=secure, keystore=keystore)) as broker:
        on = OnKafka(broker.bootstrap, database)
        _create_user(on, "gate")
        common = {"bootstrap": f"127.0.0.1:{secure}", "security": "sasl_ssl", "ca": str(tmp_path / "ca.pem")}
        yield on, common
        on.close()


def _pkcs8(pem: bytes) -> bytes:
    key = serialization.load_pem_private_key(pem, None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form)


def _create_user(on: OnKafka, name: str) -> None:
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4_096)
    wanted: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(name, info, PASSWORD.encode())
    ]
    for future in on.admin.alter_user_scram_credentials(wanted).values():
        future.result()


class _Tokens(BaseHTTPRequestHandler):
    """Issues a token to whoever asks, as an OpenID provider does to a client that it knows."""

    def do_POST(self) -> None:
        """Answer with a token that the broker's own validator takes."""
        now = int(time.time())
        parts = ({"alg": "none"}, {"sub": "gate", "iat": now, "exp": now + 600})
        token = (
            ".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
            + "."
        )
        body = json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 600}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def _provider() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Tokens)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _with(common: dict[str, Any], **more: str) -> dict[str, Any]:
    return {f"kafka_{name}": value for name, value in {**common, **more}.items()}


def test_a_connector_shows_who_it_is(
    secured: tuple[OnKafka, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A vendor's brokers are reached with credentials of their own, while the log's want none; with a wrong password
    the connector waits, and reads nothing.
    """
    on, common = secured
    topic = f"{on.settings.kafka_prefix}vendor"
    on.admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    producer = Producer(on.client)
    producer.produce(topic, native_json(login(START)))
    assert producer.flush(20) == 0
    how = {**common, "sasl": "SCRAM-SHA-512", "username": "gate", "topics": f"{topic}=native"}
    stranger, known = (
        msgspec.structs.replace(
            on.settings,
            **{f"connector_{name}": value for name, value in {**how, "password": password}.items()},
        )
        for password in (f"not-{PASSWORD}", PASSWORD)
    )
    group = bootstrap_kafka.vendor_topics(stranger)
    with contextlib.closing(group), pytest.raises(Unavailable, match="the vendor's brokers"):
        _first(group)
    parts, stop = bootstrap.connected(known, on.conninfo), threading.Event()
    thread = threading.Thread(target=Connector(parts, stop).run)
    thread.start()
    with on.running():
        on.eventually("SELECT count(*)::int FROM login_events", 1)
    stop.set()
    thread.join()
    assert PASSWORD not in "".join(capsys.readouterr())


def test_who_is_known_gets_in(
    secured: tuple[OnKafka, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Over TLS, with a password by SCRAM and with a token by OAuth 2, events are appended, read and stored; with a
    wrong password appends are refused. No secret is ever said.
    """
    on, common = secured
    scram = {"sasl": "SCRAM-SHA-512", "username": "gate"}
    with _provider() as url:
        oauth = {"sasl": "OAUTHBEARER", "oauth_url": url, "oauth_client": "gate", "oauth_secret": PASSWORD}
        known = (_with(common, **scram, password=PASSWORD), _with(common, **oauth))
        for n, changes in enumerate(known):
            _append(on, changes, f"event-{n}")
            with on.running(**changes):
                on.eventually("SELECT count(*)::int FROM login_events", n + 1)
    with pytest.raises(Unavailable):
        _append(on, _with(common, **scram, password=f"not-{PASSWORD}"), "stranger")
    assert PASSWORD not in "".join(capsys.readouterr())


def test_rights_that_come_later(secured: tuple[OnKafka, dict[str, Any]]) -> None:
    """A writer that may not write yet is refused, which ends its client for ever; once it may, it does, without being
    started anew.
    """
    on, common = secured
    _create_user(on, "guest")
    _allow(on, "guest", AclOperation.DESCRIBE)
    guest = _with(common, sasl="SCRAM-SHA-512", username="guest", password=PASSWORD)
    log = bootstrap.appending(msgspec.structs.replace(on.settings, **guest), on.conninfo)
    with contextlib.closing(log):
        for _ in range(2):
            with pytest.raises(Unavailable):
                log.append([("acme:alice", b"1")])
        _allow(on, "guest", AclOperation.WRITE)

        def appended() -> bool:
            with contextlib.suppress(Unavailable):
                log.append([("acme:alice", b"1")])
                return True
            return False

        until(appended, "an append", 40)


def _allow(on: OnKafka, name: str, operation: AclOperation) -> None:
    rule = AclBinding(
        ResourceType.TOPIC,
        on.topic,
        ResourcePatternType.LITERAL,
        f"User:{name}",
        "*",
        operation,
        AclPermissionType.ALLOW,
    )
    for future in on.admin.create_acls([rule]).values():
        future.result()


def _first(group: VendorTopics) -> Message:
    while not (found := group.take(1, 1)):
        pass
    return found[0]


def _append(on: OnKafka, changes: dict[str, Any], event_id: str) -> None:
    log = bootstrap.appending(msgspec.structs.replace(on.settings, **changes), on.conninfo)
    try:
        record = record_of(login(START, event_id=event_id))
        log.append([(record.key, records.encode(record))])
    finally:
        log.close()
