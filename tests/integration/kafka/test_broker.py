"""The broker that development and tests run on: a real one, which ends with whoever started it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from scripts import kafka as broker_module
from scripts.kafka import Broker, Unavailable
from tests.support.commands import children_of, command_line, gone, until
from tests.support.servers import ROOT

#: Starts a broker as a test does, and says where it is.
_OWNER = """
import sys, time
from pathlib import Path
from scripts.kafka import Broker
broker = Broker(Path(sys.argv[1]))
broker.start()
print(broker.bootstrap, broker.pid, flush=True)
time.sleep(600)  # until it is killed
"""


def _cluster(bootstrap: str) -> str:
    metadata = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2}).list_topics(timeout=20)
    return str(metadata.cluster_id)


def test_it_answers_clients(kafka: str) -> None:
    """A client finds one broker."""
    assert len(AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=20).brokers) == 1


def test_it_keeps_its_folder_and_address(broker: Broker) -> None:
    """Stopped and started again it is the same cluster at the same address."""
    before, cluster = broker.bootstrap, _cluster(broker.bootstrap)
    broker.stop()
    with pytest.raises(KafkaException):
        AdminClient({"bootstrap.servers": before, "log_level": 0}).list_topics(timeout=0.5)
    broker.start()
    assert broker.bootstrap == before
    assert _cluster(before) == cluster


def test_it_ends_with_whoever_started_it(kafka: str, scratch: Path) -> None:
    """A broker whose owner is killed leaves no process behind."""
    del kafka  # where there is no Kafka, this one cannot be started either
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(scratch / "kafka")], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert owner.stdout is not None
    with owner.stdout as said:
        _, pid = said.readline().split()
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    until(lambda: gone([int(pid)]), "the broker's end", 20)


def test_run_py_ends_it_in_order(kafka: str) -> None:
    """`run.py kafka` prints the address of a broker that answers, and SIGTERM ends both."""
    del kafka
    command = [sys.executable, "run.py", "kafka"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, text=True
    ) as running:
        assert running.stdout is not None
        bootstrap = running.stdout.readline().strip()
        java = [pid for pid in children_of(running.pid) if "kafka.Kafka" in command_line(pid)]
        assert len(java) == 1
        assert _cluster(bootstrap)
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 143
    assert gone(java)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without jars or Java the reason says how to get them."""
    monkeypatch.setattr(broker_module, "LIBRARIES", tmp_path / "none")
    with pytest.raises(Unavailable, match=r"run\.py kafka --fetch"):
        broker_module.libraries()
    monkeypatch.setattr(broker_module, "WHEEL", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(Unavailable, match=r"run\.py kafka --fetch"):
        broker_module.java()
