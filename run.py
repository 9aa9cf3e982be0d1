#!/usr/bin/env python3
"""Set Gatewatch up and run it. Python 3.11+ with pip (or uv) is all that has to be there.

  python3 run.py [-- ARGS]        set up, then `gatewatch demo ARGS`: simulated logins, explained anomalies
  python3 run.py demo ARGS        the same
  python3 run.py test [ARGS]      set up for development, then every test (with ARGS, those of pytest)
  python3 run.py lint             ruff, mypy --strict, import contracts, eslint, vue-tsc, prettier, budgets
  python3 run.py bench [ARGS]     the benchmarks
  python3 run.py compile [--drop] compile the core for speed, as test and bench do (--drop: back to pure Python)
  python3 run.py faults [ARGS]    the fault test alone, e.g. --seed 7 --seconds 600
  python3 run.py faults --matrix  one fault after the other on a real Kafka and PostgreSQL (--row NAME, --seeds N)
  python3 run.py helm             check the Helm chart (needs helm, or Go to build it)
  python3 run.py fuzz [ARGS]      the HTTP API against its OpenAPI document, e.g. --seed 7 --examples 500
  python3 run.py setup [--dev]    set up and stop there
  python3 run.py kafka [PORT]     a real Apache Kafka to develop with, until Ctrl-C (--fetch: only fetch it)
  python3 run.py client           generate the web app's client anew from the API's OpenAPI document
  python3 run.py lock [ARGS]      resolve the lock files anew (ARGS go to uv, e.g. --upgrade)
  python3 run.py WORD ARGS        `gatewatch WORD ARGS`, e.g. `python3 run.py anomalies --json`

Everything is kept in .local/ beside this file; delete that folder and the next run starts afresh.
A package index, proxy or certificate set for pip is used for everything.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from scripts import compiled, web_app

TYPE_CHECKING = False  # typing itself takes a tenth of the time a ready run needs
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import NoReturn

ROOT = Path(__file__).resolve().parent
LOCAL = ROOT / ".local"
ENV = LOCAL / "env"
STAMP = LOCAL / "env.stamp"
BOOT = LOCAL / "boot"
LOG = LOCAL / "setup.log"
LOCKS = {"run": ROOT / "requirements.lock", "dev": ROOT / "requirements-dev.lock"}
BOOT_LOCK = ROOT / "requirements-boot.lock"
PYTHON = str(ENV / "bin" / "python")
OLDEST_PYTHON = (3, 11)
#: The signals that end us, with the step that runs.
ENDING = (signal.SIGINT, signal.SIGTERM)
#: All tests run in two processes, each with servers of its own; a file's tests stay together (see tests/conftest.py).
ABREAST = ("-n", "2", "--dist", "loadgroup")
NETWORK_TROUBLE = re.compile(
    r"failed to fetch|error sending request|dns error|name resolution|connection (refused|reset|error)"
    r"|newconnectionerror|unreachable|timed? ?out|could not connect|no matching distribution|certificate"
    r"|enotfound|eai_again|econnre",
    re.IGNORECASE,
)


class SetupError(Exception):
    """What stands in the way, in one line that says what to do about it."""


# --- steps -----------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """Speak on stderr, so that the output of a command stays a command's output."""
    print(f"gatewatch: {text}", file=sys.stderr, flush=True)


def step(title: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
    """Run one step of the set-up with its time on screen, and with what it said in the log."""
    began = time.monotonic()
    with LOG.open("a") as log:
        log.write(f"$ {' '.join(command)}\n")
        log.flush()
        start = log.tell()
        # A signal that came before the child has a name here would leave it running.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=ROOT,
                preexec_fn=hear,
            )
            status = wait(child, title, began)
        finally:
            hear()
    if status:
        raise SetupError(reason(title, LOG.read_text(errors="replace")[start:]))


def hear() -> None:
    """Let the signals through that end us."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def wait(child: subprocess.Popen[bytes], title: str, began: float) -> int:
    """Wait for a step, counting its seconds where someone is watching; it never outlives us."""
    live = sys.stderr.isatty() and not in_ci()
    try:
        hear()
        while True:
            try:
                status = child.wait(timeout=1)  # without an end it may miss a signal that comes as it begins
            except subprocess.TimeoutExpired:
                if live:
                    passed = time.monotonic() - began
                    print(f"\rgatewatch: {title} … {passed:.0f} s", end="", file=sys.stderr)
                continue
            print("\r\x1b[K" if live else "", end="", file=sys.stderr)
            if status == 0:
                say(f"{title}: {time.monotonic() - began:.1f} s")
            return status
    except BaseException:
        child.terminate()
        child.wait()
        raise


def reason(title: str, output: str) -> str:
    """Make one line of what a failed step said."""
    if "No module named pip" in output:
        return (
            "pip is missing: install it (Debian: apt install python3-pip) or put uv on PATH, then run again"
        )
    details = f"details in {LOG.relative_to(ROOT)}"
    if "hash" in output.lower() and "mismatch" in output.lower():
        return (
            f"{title}: a package differs from what the lock file promises, nothing was installed; {details}"
        )
    if NETWORK_TROUBLE.search(output):
        return f"{title}: the package index cannot be reached; check network, proxy and index settings; {details}"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return f"{title} failed: {lines[-1] if lines else 'it said nothing'}; {details}"


def in_ci() -> bool:
    """Tell whether nobody is watching, by the name every CI service sets."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


# --- uv --------------------------------------------------------------------------------------------------


def digest(*parts: bytes | str) -> str:
    """Give one short name to all that something depends on."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()


def find_uv() -> str:
    """Return the pinned uv: ours, one of the same version on PATH, or fetched through pip now."""
    lock = BOOT_LOCK.read_bytes()
    ours, stamp = BOOT / "bin" / "uv", BOOT / "stamp"
    if ours.exists() and stamp.exists() and stamp.read_text() == digest(lock):
        return str(ours)
    pinned = lock.decode().split("uv==", 1)[1].split()[0]
    on_path = shutil.which("uv")
    if on_path and (version_of(on_path) == pinned or not have_pip()):
        return on_path
    fetch_uv(stamp_text=digest(lock))
    return str(ours)


def version_of(uv: str) -> str:
    """Ask a uv for its version; one that cannot say has none."""
    said = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False).stdout.split()
    return said[1] if len(said) > 1 else ""


def have_pip() -> bool:
    """Tell whether this Python has pip, without loading it."""
    from importlib.util import find_spec

    return find_spec("pip") is not None


def fetch_uv(stamp_text: str) -> None:
    """Install uv beside us: into a folder of its own, where an externally managed Python does not mind."""
    fresh = LOCAL / "boot.new"
    shutil.rmtree(fresh, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    limits = ["--retries", "2", "--timeout", "30"]
    step(
        "fetching uv, the installer",
        [*pip, *limits, "--require-hashes", "--target", str(fresh), "-r", str(BOOT_LOCK)],
    )
    (fresh / "stamp").write_text(stamp_text)
    shutil.rmtree(BOOT, ignore_errors=True)
    fresh.rename(BOOT)


def uv_environment() -> dict[str, str]:
    """Carry pip's index and certificate over to uv, which does not read pip's settings."""
    env = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "CONDA_PREFIX"}}
    settings = pip_settings() if have_pip() else {}
    for ours, theirs in {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "cert": "SSL_CERT_FILE",
    }.items():
        if ours in settings:
            env.setdefault(theirs, " ".join(settings[ours].split()))
    if not home_is_ours():
        env.setdefault("UV_CACHE_DIR", str(LOCAL / "cache"))
    return env


def home_is_ours() -> bool:
    """Tell whether uv can keep its cache where it would; a service account often has no home."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    there = next(folder for folder in [cache, *cache.parents] if folder.exists())
    return os.access(there, os.W_OK)


def pip_settings() -> dict[str, str]:
    """Read what `pip config list` says, the files and the environment in the order pip itself uses."""
    said = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    found = re.findall(r"^(?:global|install|:env:)\.([\w-]+)=(['\"])(.*)\2$", said, re.MULTILINE)
    return {name: value for name, _, value in found}


# --- the environment -------------------------------------------------------------------------------------


def fingerprint(kind: str) -> str:
    """Name all that an environment depends on: lock, project, interpreter, and where the checkout lies."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    built_from = json.dumps([project["build-system"], project["project"]], sort_keys=True)
    return f"{kind} {digest(LOCKS[kind].read_bytes(), built_from, sys.version, sys.base_prefix, str(ROOT))}"


def ready(kind: str) -> bool:
    """Tell whether the environment is whole: the stamp is written last and taken away first."""
    stamped = STAMP.exists() and fingerprint(kind) in STAMP.read_text().splitlines()
    return stamped and Path(PYTHON).exists()


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Let one set-up of this checkout run at a time; the others wait and find it done."""
    with (LOCAL / "setup.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up of this checkout is running; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def set_up(kind: str) -> None:
    """Make the environment ready for use ("run") or for development as well ("dev"); what is old never runs."""
    try:
        compiled.drop_stale()
    except OSError as error:
        raise SetupError(f"what was compiled is old and cannot be removed: {error}") from error
    if ready(kind) and web_app.ready(kind):
        return
    try:
        LOCAL.mkdir(exist_ok=True)
    except OSError as error:
        raise SetupError(f"cannot write beside run.py: {error}") from error
    with only_one():
        LOG.write_text("")
        if not ready(kind):
            install(kind)
        if not web_app.ready(kind):
            web_app.set_up(kind, find_uv(), uv_environment(), step)


def install(kind: str) -> None:
    """Bring the environment to the lock file; whatever an interrupted run left is thrown away."""
    uv, env = find_uv(), uv_environment()
    whole = STAMP.exists() and same_interpreter()
    STAMP.unlink(missing_ok=True)
    if not whole:
        shutil.rmtree(ENV, ignore_errors=True)
        step(
            "making the environment", [uv, "venv", "--no-project", "--python", sys.executable, str(ENV)], env
        )
    lock = LOCKS[kind]
    count = len(re.findall(r"^[\w.-]+==", lock.read_text(), re.MULTILINE))
    target = ["--python", PYTHON]
    step(f"installing {count} packages", [uv, "pip", "sync", *target, "--require-hashes", str(lock)], env)
    step("installing gatewatch", [uv, "pip", "install", *target, "--no-deps", "--editable", str(ROOT)], env)
    # Development contains everything a run needs, at the same versions.
    covers = ["run", "dev"] if kind == "dev" else ["run"]
    fresh = STAMP.with_suffix(".new")
    fresh.write_text("\n".join([*map(fingerprint, covers), interpreter()]) + "\n")
    fresh.replace(STAMP)


def interpreter() -> str:
    """Name the interpreter and the place an environment was made for; neither can be changed afterwards."""
    return f"python {digest(sys.version, sys.base_prefix, str(ROOT))}"


def same_interpreter() -> bool:
    """Tell whether the environment that is there can be brought up to date instead of being made anew."""
    return interpreter() in STAMP.read_text().splitlines() and Path(PYTHON).exists()


# --- verbs -----------------------------------------------------------------------------------------------


def become(command: Sequence[str]) -> NoReturn:
    """Turn into the command: its signals, its terminal and its exit code are its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], list(command))


def gatewatch(args: Sequence[str]) -> NoReturn:
    """Run the gatewatch command."""
    set_up("run")
    become([str(ENV / "bin" / "gatewatch"), *args])


def develop(module: str, args: Sequence[str]) -> NoReturn:
    """Run a module with the development lock, in the checkout's folder."""
    set_up("dev")
    os.chdir(ROOT)
    become([PYTHON, "-m", module, *args])


def compile_core(args: Sequence[str] = ()) -> int:
    """Compile the core where it is not; without a C compiler it runs as pure Python, and in CI that fails."""
    if "--drop" in args:
        compiled.drop()
        return 0
    set_up("dev")
    try:
        with only_one():
            LOG.write_text("")
            compiled.provide(PYTHON, step)
    except compiled.Unavailable as error:
        say(f"Gatewatch runs as pure Python, which is slower: {error}")
        return int(in_ci())
    return 0


def bench(args: Sequence[str]) -> int:
    """The benchmarks, of the compiled core."""
    return compile_core() or develop("benchmarks", args)


def client(_: Sequence[str]) -> int:
    """Generate the client anew."""
    set_up("dev")
    web_app.generate(PYTHON, step)
    return 0


def helm(_: Sequence[str]) -> int:
    """Check the chart; without Helm and Go that is named as not run, and in CI it fails."""
    from scripts import chart

    set_up("dev")
    try:
        chart.provide(find_uv(), uv_environment(), step)
    except chart.Unavailable as error:
        say(f"the Helm chart was not checked: {error}")
        return int(in_ci())
    return subprocess.run([PYTHON, "-m", "scripts.chart"], cwd=ROOT, check=False).returncode


def kafka(args: Sequence[str]) -> int:
    """Fetch what a broker is made of, and run it."""
    from scripts import kafka as broker

    LOCAL.mkdir(exist_ok=True)
    try:
        with only_one():
            broker.fetch(find_uv, uv_environment, step)
        return broker.run(args)
    except broker.Unavailable as error:
        raise SetupError(f"Kafka: {error}") from error


def faults(args: Sequence[str]) -> NoReturn:
    """The fault test; its matrix needs a broker, which is fetched."""
    set_up("dev")
    if "--matrix" in args:
        kafka(["--fetch"])
    develop("tests.faults", args)


def test(args: Sequence[str]) -> int:
    """Run every test, of the compiled core, or, with arguments, those of pytest that they name."""
    set_up("dev")
    if (not args or in_ci()) and compile_core():
        return 1
    web_app.provide_browser(step)
    try:
        kafka(["--fetch"])
    except SetupError as error:  # its tests say that they were skipped, and in CI they fail
        say(str(error))
    failed = 0 if args else web_app.script("test")
    command = [PYTHON, "-m", "pytest", *(args or ABREAST)]
    return subprocess.run(command, cwd=ROOT, check=False).returncode or failed


def lock(args: Sequence[str]) -> int:
    """Resolve the lock files anew; the development one takes the versions of the other."""
    LOCAL.mkdir(exist_ok=True)
    LOG.write_text("")
    uv, env = find_uv(), uv_environment()
    shape = ["--universal", "--generate-hashes", "--quiet", "--custom-compile-command", "python3 run.py lock"]
    common = [uv, "pip", "compile", *shape, *args, "pyproject.toml"]
    run, dev = (LOCKS[kind].name for kind in ("run", "dev"))
    step(f"resolving {run}", [*common, "--extra", "otel", "-o", run], env)
    step(f"resolving {dev}", [*common, "--extra", "otel", "--group", "dev", "-c", run, "-o", dev], env)
    for group in ("node", "java", "helm", "compile"):
        apart = f"requirements-{group}.lock"
        same = ["-c", dev] if group == "compile" else []
        step(f"resolving {apart}", [*common[:-1], "--group", group, *same, "-o", apart], env)
    return 0


def main(argv: Sequence[str]) -> int:
    """Do what the first word says; a word that is not ours is gatewatch's."""
    word, rest = (argv[0], argv[1:]) if argv else ("demo", [])
    if word in {"-h", "--help", "help"}:
        print(__doc__.strip() if __doc__ else "")
        return 0
    if word == "setup":
        set_up("dev" if "--dev" in rest else "run")
        return 0
    ours = {verb.__name__: verb for verb in (test, bench, kafka, helm, client, lock, faults)}
    ours["compile"] = compile_core
    if word in ours:
        return ours[word](rest)
    modules = {"lint": "scripts.lint", "fuzz": "tests.fuzz"}
    if word in modules:
        develop(modules[word], rest)
    if word == "gatewatch":
        gatewatch(rest)
    if word == "--":
        gatewatch(["demo", *rest])
    gatewatch(["demo", word, *rest] if word.startswith("-") else [word, *rest])


def start() -> int:
    """Run `main`; trouble with the set-up is one line and exit code 1, Ctrl-C is exit code 130."""
    if sys.version_info < OLDEST_PYTHON:
        say(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]} ({sys.executable})")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends a step as Ctrl-C does; an exec undoes it
    try:
        return main(sys.argv[1:])
    except SetupError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next run takes it up again")
        return 130


if __name__ == "__main__":
    sys.exit(start())
