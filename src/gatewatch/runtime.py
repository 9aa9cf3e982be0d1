"""How the code at hand runs."""

from typing import Literal

from gatewatch.core import assessing


def is_compiled() -> bool:
    """Whether the core runs as extension modules that mypyc made; if not, it is pure Python, and slower."""
    return not (assessing.__file__ or "").endswith(".py")


def core() -> Literal["compiled", "pure Python"]:
    """The same in words."""
    return "compiled" if is_compiled() else "pure Python"
