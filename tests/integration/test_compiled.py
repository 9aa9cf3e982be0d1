"""The compiled core: it is never older than its sources, and it does to the byte what they do."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gatewatch import runtime
from scripts import compiled
from tests.support.servers import ROOT

MODULE = "core/counts.py"
LIBRARY = "compiled__mypyc"

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def compiler_or_skip() -> None:
    """A developer without a C compiler can still run the rest; in CI one is missing."""
    try:
        compiled.require_compiler()
    except compiled.Unavailable as error:
        if IN_CI:
            pytest.fail(str(error))
        pytest.skip(str(error))  # Gatewatch needs no compiler, so neither does who works on it


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout of one module, as far as compiling needs it."""
    package = tmp_path / "src" / "gatewatch"
    (package / "core").mkdir(parents=True)
    (package / "api").mkdir()
    (tmp_path / ".local").mkdir()
    for name in ("__init__.py", "core/__init__.py", "api/__init__.py"):
        (package / name).touch()
    (package / MODULE).write_text("def double(n: int) -> int:\n    return 2 * n\n")
    (tmp_path / "requirements-compile.lock").write_text("mypy==2.0\n")
    return tmp_path


def build(tree: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Compile the module of a tree, in a process that may be meddled with."""
    code = "import sys, pathlib; from scripts import compiled; compiled.build(pathlib.Path(sys.argv[1]), sys.argv[2:])"
    return _python(["-c", code, str(tree), MODULE], ROOT, environment)


def doubled(tree: Path) -> str:
    """What the tree's module is, and what it answers."""
    code = "from gatewatch.core import counts; print(counts.__file__.rpartition('.')[2], counts.double(21))"
    return _python(["-c", code], tree, {"PYTHONPATH": str(tree / "src")}).stdout.strip()


def _python(
    arguments: Sequence[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def pretend(tree: Path) -> Path:
    """Extension modules that say they fit the tree; `drop_stale` looks at names and the stamp only."""
    library = tree / "src" / "gatewatch" / f"{LIBRARY}.cpython-311-x86_64-linux-gnu.so"
    for path in (library, (tree / "src" / "gatewatch" / MODULE).with_suffix(".so")):
        path.write_bytes(b"code")
    stamp = compiled.stamped(compiled.fingerprint(tree), list(compiled.extensions(tree)))
    (tree / ".local" / "compiled.stamp").write_text(stamp)
    return library


class TestWhatIsOld:
    def test_what_fits_stays(self, tree: Path) -> None:
        """Given extension modules of these sources, then they stay, however often that is looked at."""
        library = pretend(tree)
        assert compiled.drop_stale(tree)
        assert compiled.drop_stale(tree)
        assert library.exists()

    @pytest.mark.parametrize(
        "changed", [f"src/gatewatch/{MODULE}", "src/gatewatch/core/new.py", "requirements-compile.lock"]
    )
    def test_what_was_made_of_something_else_goes(self, tree: Path, changed: str) -> None:
        """Given a module, one that it may import, or a compiler that is another now, then all of it goes."""
        pretend(tree)
        (tree / changed).write_text("mypy==2.1")
        assert not compiled.drop_stale(tree)
        assert not list(compiled.extensions(tree))
        assert not (tree / ".local" / "compiled.stamp").exists()

    def test_what_another_interpreter_made_goes(self, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Given an interpreter that is another one now, then all of it goes."""
        pretend(tree)
        monkeypatch.setattr(sys, "version", f"{sys.version} of another day")
        assert not compiled.drop_stale(tree)
        assert not list(compiled.extensions(tree))

    def test_what_nobody_vouches_for_goes(self, tree: Path) -> None:
        """Given no stamp, as after a build that was interrupted, then all of it goes."""
        pretend(tree)
        (tree / ".local" / "compiled.stamp").unlink()
        assert not compiled.drop_stale(tree)
        assert not list(compiled.extensions(tree))

    def test_what_is_not_whole_goes(self, tree: Path) -> None:
        """Given modules without the library that they need, then all of it goes: they could not be imported."""
        pretend(tree).unlink()
        assert not compiled.drop_stale(tree)
        assert not list(compiled.extensions(tree))

    def test_what_no_compiled_module_can_import_does_not_count(self, tree: Path) -> None:
        """Given a change of the API alone, then all of it stays."""
        library = pretend(tree)
        (tree / "src" / "gatewatch" / "api" / "new.py").touch()
        assert compiled.drop_stale(tree)
        assert library.exists()

    def test_nothing_is_there_where_nothing_was_compiled(self, tree: Path) -> None:
        """Given sources alone, then there is nothing to throw away."""
        assert not compiled.drop_stale(tree)


class TestBuild:
    def test_puts_extension_modules_beside_their_sources(self, tree: Path) -> None:
        """A build makes the module and the library that it needs; after an edit the edited source runs."""
        compiler_or_skip()
        assert build(tree).returncode == 0
        assert doubled(tree) == "so 42"
        assert {Path(path).name.partition(".")[0] for path in compiled.extensions(tree)} == {
            "counts",
            LIBRARY,
        }
        (tree / "src" / "gatewatch" / MODULE).write_text("def double(n: int) -> int:\n    return n + n + 1\n")
        assert not compiled.drop_stale(tree)
        assert doubled(tree) == "py 43"

    def test_one_that_fails_leaves_nothing_that_runs(self, tree: Path) -> None:
        """Given a compiler that breaks off, then what was there before is gone too, and the next build is whole."""
        compiler_or_skip()
        pretend(tree)
        failed = build(tree, CC="false")
        assert failed.stderr.splitlines()[-1] == "scripts.compiled.Refused: the C compiler could not do it"
        assert not list(compiled.extensions(tree))
        assert doubled(tree) == "py 42"
        assert build(tree).returncode == 0
        assert compiled.drop_stale(tree)
        assert doubled(tree) == "so 42"

    def test_sources_that_cannot_be_compiled_are_named(self, tree: Path) -> None:
        """Given a mistake in the types, then the message is its line."""
        compiler_or_skip()
        (tree / "src" / "gatewatch" / MODULE).write_text("def double(n: int) -> int:\n    return str(n)\n")
        failed = build(tree)
        assert failed.stderr.splitlines()[-1].startswith(
            f"scripts.compiled.Refused: gatewatch/{MODULE}:2: error"
        )

    def test_names_modules_that_exist(self) -> None:
        """Every module of the list has its source, once."""
        assert len(set(compiled.MODULES)) == len(compiled.MODULES)
        assert [name for name in compiled.MODULES if not (ROOT / "src/gatewatch" / name).is_file()] == []

    def test_needs_a_c_compiler(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Given none, then that is what the message says."""
        monkeypatch.setenv("CC", "no-such-compiler -O2")
        with pytest.raises(compiled.Unavailable, match=r"there is no C compiler \(no-such-compiler\)"):
            compiled.require_compiler()


@pytest.fixture
def is_compiled() -> None:
    """What is imported here is compiled; a developer may leave that be, in CI it fails."""
    pure = [name for name in compiled.MODULES if _file(name).endswith(".py")]
    if not pure:
        return
    missing = f"{len(pure)} modules are not compiled, {pure[0]} first: python3 run.py compile"
    if IN_CI:
        pytest.fail(missing)
    pytest.skip(missing)  # after an edit all runs as pure Python until it is compiled again


def _file(name: str) -> str:
    module = importlib.import_module("gatewatch." + name.removesuffix(".py").replace("/", "."))
    return module.__file__ or ""


@pytest.mark.usefixtures("is_compiled")
class TestWhatRuns:
    def test_the_tests_run_on_what_is_shipped(self) -> None:
        """What says how the code runs says so too."""
        assert runtime.core() == "compiled"

    def test_both_do_the_same(self, tmp_path: Path) -> None:
        """Given a world with every scenario, verdicts and bad records, when the compiled core and the sources work it
        off, then every row, state, count and anomaly is the same to the byte.
        """
        shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.so", "static"))
        fast, pure = worked_off(ROOT / "src"), worked_off(tmp_path / "src")
        assert (fast.pop("core"), pure.pop("core")) == ("compiled", "pure Python")
        assert fast["numbers"] == pure["numbers"]
        assert fast["digests"] == pure["digests"]
        numbers = fast["numbers"]
        assert numbers["events"] > 4_000
        assert min(numbers[kind] for kind in ("controls", "dead letters", "conflicts", "doubts")) >= 5
        assert numbers["degraded"] == 0
        found = {kind.rpartition(" ")[2] for kind in numbers if kind.startswith("anomalies of")}
        assert len(found) >= 10


def worked_off(source: Path) -> dict[str, Any]:
    """What `tests.support.worked_off` prints of the code in a folder."""
    done = _python(["-m", "tests.support.worked_off"], ROOT, {"PYTHONPATH": str(source)})
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
