"""Every check of the code, also after one has failed, and the reports of the budgets; the first failure is the result.

python -m scripts.lint      in the environment of development, as `python3 run.py lint` does
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from scripts import web_app

ROOT = web_app.ROOT
CODE = ("src", "tests", "scripts", "benchmarks", "examples", "run.py")


def say(text: str) -> None:
    """Speak on stderr, where run.py speaks."""
    print(f"gatewatch: {text}", file=sys.stderr, flush=True)


def tool(*command: str) -> int:
    """Run one of the environment's tools in the checkout."""
    program = Path(sys.executable).with_name(command[0])
    return subprocess.run([str(program), *command[1:]], cwd=ROOT, check=False).returncode


def client() -> int:
    """Generate the client and compare: what is committed must be what the API's document says."""
    before = web_app.CLIENT.read_bytes()
    web_app.generate(sys.executable, _step)
    if web_app.CLIENT.read_bytes() == before:
        return 0
    say("web/src/api/schema.d.ts was not what the OpenAPI document gives; now it is: commit it")
    return 1


def _step(title: str, command: Sequence[str], env: Mapping[str, str]) -> None:
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"gatewatch: {title} failed:\n{done.stdout}{done.stderr}")


CHECKS: dict[str, Callable[[], int]] = {
    "ruff check": partial(tool, "ruff", "check", "--quiet", *CODE),
    "ruff format": partial(tool, "ruff", "format", "--check", "--quiet", *CODE),
    "mypy --strict": partial(tool, "mypy", *CODE),
    "import contracts": partial(tool, "lint-imports", "--no-logo"),
    "eslint": partial(web_app.script, "check:lint"),
    "vue-tsc": partial(web_app.script, "check:types"),
    "prettier": partial(web_app.script, "check:format"),
    "generated client": client,
    "budgets": partial(tool, "python", "scripts/budgets.py"),
    "budgets of the web app": partial(tool, "python", "-m", "scripts.web_budgets"),
}


def main() -> int:
    """Run the checks."""
    results: dict[str, int] = {}
    for title, check in CHECKS.items():
        say(title)
        results[title] = check()
    failed = [title for title, status in results.items() if status]
    say(f"lint: {', '.join(failed)} failed" if failed else f"lint: all {len(results)} passed")
    return next((status for status in results.values() if status), 0)


if __name__ == "__main__":
    sys.exit(main())
