"""A user while a batch works with them."""

import msgspec

from gatewatch.core.profiles import Profile


class UserState(msgspec.Struct):
    """A user at work: the profile and what stands beside it in plain columns. Mutable; owned by one partition.

    `changed` says that a batch did.
    """

    profile: Profile
    name: str = ""
    user_id: str = ""
    last_seen: int = 0
    risk: float = float("-inf")
    changed: bool = False
