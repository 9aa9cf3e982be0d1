"""The compiled core: modules that mypyc turns into extension modules beside their sources (docs/adr/0037).

python -m scripts.compiled [--drop]     compile, where mypy and setuptools are installed (or throw away what is there)

Without them the sources run, slower and with the same results. Extension modules that are older than what they were
made of never run: a stamp says what that was, and whoever starts the checkout's code throws away what does not fit it.
Standard library only, and little of it: run.py imports this.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    #: Runs a command with its time on screen (`run.step`).
    Step = Callable[[str, Sequence[str], Mapping[str, str]], None]

ROOT = Path(__file__).resolve().parents[1]
#: What is compiled, below src/gatewatch. No module that has a Struct: msgspec makes those classes, mypyc cannot.
MODULES = (
    "adapters/enrichment.py",
    "adapters/geo/layouts.py",
    "adapters/geo/maxmind.py",
    "adapters/kafka/buffers.py",
    "adapters/kafka/holes.py",
    "adapters/postgres/packing.py",
    "adapters/useragents.py",
    "core/assessing.py",
    "core/attributes.py",
    "core/backoff.py",
    "core/countmin.py",
    "core/counts.py",
    "core/familiarity.py",
    "core/features.py",
    "core/findings.py",
    "core/geo.py",
    "core/history.py",
    "core/keys.py",
    "core/learning.py",
    "core/partitioning.py",
    "core/risk.py",
    "core/shares.py",
    "core/situation.py",
    "core/subjects.py",
    "core/times.py",
    "detectors/account_enumeration.py",
    "detectors/account_takeover.py",
    "detectors/brute_force.py",
    "detectors/credential_stuffing.py",
    "detectors/distributed_brute_force.py",
    "detectors/dormant_account.py",
    "detectors/impossible_travel.py",
    "detectors/login_risk.py",
    "detectors/new_country.py",
    "detectors/new_device.py",
    "detectors/password_spraying.py",
    "detectors/source_brute_force.py",
    "detectors/unusual_time.py",
    "models/freeman.py",
    "services/batching.py",
    "services/counting.py",
    "services/decoding.py",
    "services/frequencies.py",
    "services/partition.py",
    "services/reviews.py",
    "services/source_cache.py",
    "services/surroundings.py",
)
#: Where nothing lies that a compiled module may import (the layers in pyproject.toml): a change there is none to it.
APART = ("api", "cli", "client")
#: The one library that holds all of the code; it lies inside the package, so that it goes where the package goes.
GROUP = "gatewatch.compiled"


class Unavailable(Exception):
    """Nothing can be compiled here; the message says what is missing."""


class Refused(Exception):
    """The sources cannot be compiled; the message is the first error, the rest was printed."""


def drop_stale(root: Path = ROOT) -> bool:
    """Throw extension modules away that are not those of the sources as they are; tells whether any remain."""
    found = list(extensions(root))
    if not found:
        return False
    stamp = _stamp(root)
    if stamp.is_file() and stamp.read_text() == stamped(fingerprint(root), found):
        return True
    drop(root)
    return False


def drop(root: Path = ROOT) -> None:
    """Throw all extension modules away; the stamp goes first."""
    _stamp(root).unlink(missing_ok=True)
    for path in extensions(root):
        Path(path).unlink(missing_ok=True)


def extensions(root: Path = ROOT) -> Iterator[str]:
    """The paths of all extension modules below src/."""
    for folder, _, names in os.walk(root / "src"):
        yield from (os.path.join(folder, name) for name in names if name.endswith(".so"))


def fingerprint(root: Path = ROOT) -> str:
    """Name all that the extension modules depend on: list and settings (this file), sources, compiler, interpreter.

    mypyc takes types and constants over from the modules that are imported, so those count as well.
    """
    whole = hashlib.sha256(sys.version.encode())
    for path in [__file__, str(root / "requirements-compile.lock"), *_sources(root / "src" / "gatewatch")]:
        with open(path, "rb") as file:
            data = file.read()
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()


def _sources(package: Path) -> list[str]:
    found = []
    for folder, folders, names in os.walk(package):
        if folder == str(package):
            folders[:] = [name for name in folders if name not in APART]
        found += [os.path.join(folder, name) for name in names if name.endswith(".py")]
    return sorted(found)


def _stamp(root: Path) -> Path:
    return root / ".local" / "compiled.stamp"


def stamped(made_of: str, paths: Sequence[str]) -> str:
    """What the stamp says: what all was made of, and all that was made. What is not whole does not run either."""
    return "\n".join([made_of, *sorted(paths)])


def provide(python: str, step: Step) -> None:
    """Compile where that was not done yet. Raises `Unavailable`, and what `step` raises."""
    if drop_stale():
        return
    require_compiler()
    step("compiling the core (a minute)", [python, "-m", "scripts.compiled"], os.environ)


def require_compiler() -> None:
    """Raises `Unavailable` where C cannot be compiled, or not for this Python."""
    import shlex
    import sysconfig

    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(compiler) is None:
        raise Unavailable(f"there is no C compiler ({compiler})")
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        raise Unavailable("Python's header files are missing (Debian: apt install python3-dev)")


def build(root: Path = ROOT, modules: Sequence[str] = MODULES) -> None:
    """Compile in a folder apart, then put the extension modules in their places; the stamp is written last.

    Raises `Refused`.
    """
    drop(root)
    made_of = fingerprint(root)
    work = root / ".local" / "compiled"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    _compile(_generate(root / "src", modules, work), work)
    made = [(path, root / "src" / path.relative_to(work / "lib")) for path in (work / "lib").rglob("*.so")]
    for path, place in made:
        path.replace(place)  # a process that runs keeps the one it has
    _stamp(root).write_text(stamped(made_of, [str(place) for _, place in made]))
    shutil.rmtree(work)


def _generate(source: Path, modules: Sequence[str], work: Path) -> Sequence[object]:
    """Have mypyc write C. lint holds the types to more than mypyc asks for: no settings of mypy's are read here.

    The extension modules export nothing but how they begin: calls among compiled functions are direct, or inlined.
    """
    import contextlib
    import io

    from mypyc.build import mypycify

    options = ["--config-file=", "--follow-imports=silent", f"--cache-dir={work / 'mypy'}"]
    paths = [f"gatewatch/{name}" for name in modules]
    said = io.StringIO()
    try:
        with contextlib.chdir(source), contextlib.redirect_stdout(said):
            extensions = mypycify(
                [*options, *paths],
                group_name=GROUP,
                target_dir=str(work / "c"),
                opt_level="3",
                debug_level="0",
            )
    except SystemExit:
        errors = [line for line in said.getvalue().splitlines() if " error: " in line]
        raise Refused(errors[0] if errors else "mypyc did not say why") from None
    finally:
        print(said.getvalue(), end="", flush=True)
    for extension in extensions:
        extension.extra_compile_args.append("-fvisibility=hidden")
    return extensions


def _compile(modules: Sequence[object], work: Path) -> None:
    """Have the C compiler make extension modules of it, in `work`/lib."""
    from setuptools import Distribution
    from setuptools.errors import CCompilerError, ExecError

    command = Distribution({"name": "gatewatch", "ext_modules": modules}).get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(work / "lib"), str(work / "objects")
    command.ensure_finalized()
    try:
        command.run()
    except (CCompilerError, ExecError) as error:
        raise Refused("the C compiler could not do it") from error


def main(arguments: Sequence[str]) -> int:
    """Compile, or only throw away."""
    if arguments:
        drop()
        return int(list(arguments) != ["--drop"])
    try:
        build()
    except Refused as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
