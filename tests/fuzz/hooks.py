"""What schemathesis is told in Python; it loads this file by SCHEMATHESIS_HOOKS."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import Any

import schemathesis

#: Where each answer is noted, a line "METHOD /path status" each.
TALLY = "GATEWATCH_FUZZ_TALLY"

LOG_IN = "POST /v1/session"

_attempts = count()


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Leave no status to `default`: an answer is documented where its own status is."""
    del context
    for operations in raw_schema["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("default", None)


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]
) -> None:
    """Let each log-in come from another address, so that the limit of attempts does not answer for the log-in."""
    del context, kwargs
    if case.operation.label == LOG_IN:
        number = next(_attempts)
        case.headers["X-Forwarded-For"] = f"198.18.{number >> 8 & 255}.{number & 255}"


@schemathesis.hook
def after_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], response: schemathesis.Response
) -> None:
    """Note the answer."""
    del context
    with Path(os.environ[TALLY]).open("a") as file:
        file.write(f"{case.operation.label} {response.status_code}\n")
