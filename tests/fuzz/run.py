"""One run: schemathesis over the OpenAPI document as each kind of caller, and what came back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.fuzz.hooks import TALLY
from tests.fuzz.site import Site, site
from tests.integration.api.conftest import bearer
from tests.support.servers import ROOT, scratch_folder

CONFIG = Path(__file__).with_name("schemathesis.toml")
#: What a session cannot call and go on: it would be over. Other callers are refused there, as documented.
ENDING = {"log_out", "log_out_everywhere", "change_password"}
#: Operations that are mostly asked for refusals (see schemathesis.toml).
ENDLESS = {"GET /v1/stream"}
#: What a caller is refused without a credential, beside paths and methods that lead nowhere.
UNAUTHENTICATED = 401
NOWHERE = {404, 405}

Document = dict[str, Any]
#: How often an operation ("METHOD /path") was answered with a status.
Tally = Counter[tuple[str, int]]


class Caller(NamedTuple):
    """Who calls: the credential's name in the document ("" for nobody), its setting, and further arguments. What can
    be called with `but` as well is left out.
    """

    scheme: str
    setting: str = ""
    arguments: tuple[str, ...] = ()
    but: str = ""


class Round(NamedTuple):
    """What came of calling everything that a caller may call. `failed` is whether schemathesis found a fault."""

    caller: Caller
    operations: dict[str, Document]
    tally: Tally
    failed: bool

    @property
    def faults(self) -> list[str]:
        """What is wrong, a line each."""
        found = ["schemathesis found faults: see above"] if self.failed else []
        return found + (self._unanswered() if self.caller.scheme else self._let_in())

    def _unanswered(self) -> list[str]:
        """Operations that a valid caller never got an answer from: nothing is proven of those."""
        answered = {label for label, status in self.tally if status < 300}
        return [
            f"{label} was never answered with 2xx" for label in self.operations.keys() - answered - ENDLESS
        ]

    def _let_in(self) -> list[str]:
        """Answers that a caller without a credential must not get."""
        return [
            f"{label} answered {status} without a credential"
            for label, status in self.tally
            if self.operations[label]["security"] and status not in {UNAUTHENTICATED, *NOWHERE}
        ]


def run(conninfo: str, seed: int, examples: int, *, brief: bool = False) -> list[Round]:
    """Call the api of a database as everybody. What was accepted is then processed, which raises where it cannot be.

    `examples` is how many requests are drawn per operation and phase, at most. What bounds and types suggest is sent
    as well. A `brief` run leaves that out for nobody, and for the session what the key can call.
    """
    with site(conninfo) as where, scratch_folder() as folder:
        document = folder / "openapi.json"
        document.write_bytes(httpx.get(f"{where.url}/openapi.json", headers=bearer(where.key)).content)
        arguments = ["--seed", str(seed), "--max-examples", str(examples), "--continue-on-failure"]
        rounds = [_round(where, caller, document, arguments) for caller in callers(where, brief)]
        where.heart.settle()
    return rounds


def callers(where: Site, brief: bool) -> Iterator[Caller]:
    """The session comes after the key, which it may revoke."""
    yield Caller("key", f'key = {{ bearer = "{where.key}" }}')
    setting, origin = f'session = {{ api_key = "{where.session}" }}', ("-H", f"Origin: {where.url}")
    yield Caller("session", setting, origin, but="key" if brief else "")
    yield Caller("", arguments=("--phases", "fuzzing") if brief else ())


def callable_by(document: Document, caller: Caller) -> dict[str, Document]:
    """The operations that a caller can do something with, by "METHOD /path"; nobody may try them all."""
    found = {
        f"{method.upper()} {path}": operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    return {
        label: operation for label, operation in found.items() if not caller.scheme or _may(caller, operation)
    }


def _may(caller: Caller, operation: Document) -> bool:
    credentials = {name for credential in operation["security"] for name in credential}
    ends = operation["operationId"] in ENDING
    return caller.scheme in credentials and caller.but not in credentials and not ends


def _round(where: Site, caller: Caller, document: Path, arguments: list[str]) -> Round:
    folder = document.parent / (caller.scheme or "nobody")
    folder.mkdir(mode=0o700)
    config, tally = folder / "schemathesis.toml", folder / "tally"
    config.write_text("\n".join([CONFIG.read_text(), *_settings(where, caller)]))
    operations = callable_by(json.loads(document.read_bytes()), caller)
    wanted = [f"--include-operation-id={operation['operationId']}" for operation in operations.values()]
    command = [sys.executable, "-m", "schemathesis.cli", f"--config-file={config}", "run", str(document)]
    done = subprocess.run(
        [*command, f"--url={where.url}", *arguments, *caller.arguments, *wanted],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
            TALLY: str(tally),
        },
        check=False,
    )
    return Round(caller, operations, _counted(tally), done.returncode != 0)


def _settings(where: Site, caller: Caller) -> Iterator[str]:
    """What the configuration cannot know before there is an api."""
    for kind, values in where.known.items():
        yield f"[dictionaries.{kind}]\nvalues = {json.dumps(values)}"
    if caller.setting:
        yield f"[auth.openapi]\n{caller.setting}"


def _counted(tally: Path) -> Tally:
    lines = (line.rpartition(" ") for line in tally.read_text().splitlines())
    return Counter((label, int(status)) for label, _, status in lines)
