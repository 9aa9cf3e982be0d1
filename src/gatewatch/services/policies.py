"""Changing the policy: checked before it is stored, and what it changes is looked at again."""

import msgspec

from gatewatch.core import policy as policies
from gatewatch.core.policy import Policy
from gatewatch.read_ports import PolicyStore


class PolicyRefused(Exception):
    """A text is no policy; the message is one line that names the place."""


def read_policy(text: bytes) -> Policy:
    """A policy in JSON: what it leaves out keeps its default; its revision is given when it is stored.

    Raises `PolicyRefused`.
    """
    try:
        found = policies.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PolicyRefused(f"this is no policy: {error}") from None
    low, medium, high, critical = found.levels
    if not 0 < low <= medium <= high <= critical <= 100:
        raise PolicyRefused("this is no policy: levels must rise from above 0 to at most 100")
    return found


def set_policy(store: PolicyStore, text: bytes, by: str) -> Policy:
    """Store a policy as the tenant's next revision and have every live source reviewed by it."""
    return store.put(read_policy(text), by)
