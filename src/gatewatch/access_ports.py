"""Who asks, what they may, and what the use cases of access need from the world, as Protocols and values."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol, get_args

import msgspec

#: What a credential may: send events, ask for decisions, look, work on anomalies, administer.
Permission = Literal["ingest", "decide", "read", "triage", "admin"]
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)


class Principal(msgspec.Struct, frozen=True):
    """Whom a request speaks for: all a handler learns of its caller.

    `subject` is `account:<id>` or `key:<prefix>`; the tenant is the credential's, never a body's.
    """

    tenant: str
    subject: str
    permissions: frozenset[Permission]


class StoredAccount(msgspec.Struct, frozen=True):
    """Whose a login name is, with the hash to verify against."""

    tenant: str
    id: str
    password_hash: str


class OpenSession(msgspec.Struct, frozen=True):
    """A session that is alive, and whose it is."""

    tenant: str
    id: str
    account: str
    name: str
    permissions: frozenset[Permission]
    expires_at: datetime


class StoredKey(msgspec.Struct, frozen=True):
    """An API key in force, as it is found by its prefix. `expires_in` and `used_ago` in seconds, None for never."""

    tenant: str
    secret_hash: bytes
    scopes: frozenset[Permission]
    expires_in: float | None
    used_ago: float | None


class KeyView(msgspec.Struct, frozen=True):
    """An API key as its tenant sees it; the secret is nowhere."""

    prefix: str
    name: str
    scopes: list[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class Rate(NamedTuple):
    """How often something may be tried: `burst` times at once, then every `seconds`."""

    burst: int
    seconds: float


class AccessStore(Protocol):
    """What a process that answers strangers may know of accounts, sessions and keys. All raise `ports.Unavailable`."""

    def account(self, login: str) -> StoredAccount | None:
        """The account of a login name (normalised), if it may log in."""
        ...

    def open_session(
        self, account: StoredAccount, id: str, token_hash: bytes, life: timedelta, replaced: bytes | None
    ) -> OpenSession | None:
        """Open a session and end the one it replaces; None where the verified password is no longer the account's."""
        ...

    def session(self, token_hash: bytes, idle: timedelta) -> OpenSession | None:
        """The session of a token, if it is alive and was seen within `idle`; it has been seen now."""
        ...

    def session_permissions(self, token_hash: bytes, idle: timedelta) -> frozenset[Permission]:
        """What the session of a token allows, nothing for one that has ended. It is not used by being asked for."""
        ...

    def end_session(self, token_hash: bytes) -> None:
        """End the session of a token."""
        ...

    def end_sessions(self, tenant: str, account: str) -> None:
        """End all sessions of an account."""
        ...

    def password(self, tenant: str, account: str) -> StoredAccount | None:
        """An account with the hash of its password."""
        ...

    def set_password(self, account: StoredAccount, password_hash: str, *, same: bool) -> bool:
        """Replace the hash that was verified; False where it is another by now. All sessions of the account end,
        unless it is the `same` password under a newer hash.
        """
        ...

    def key(self, prefix: str) -> StoredKey | None:
        """The key of a prefix, if it is in force."""
        ...

    def key_used(self, tenant: str, prefix: str) -> None:
        """Remember that a key was used now."""
        ...

    def attempt(self, bucket: bytes, rate: Rate) -> float:
        """Count an attempt, over all processes; 0, or the seconds to wait where it is one too many."""
        ...

    def forgive(self, bucket: bytes) -> None:
        """Forget the attempts of a bucket."""
        ...


class AccountStore(Protocol):
    """What operators do with one tenant's accounts. All raise `ports.Unavailable`."""

    def create_account(
        self, id: str, name: str, login: str, password_hash: str, permissions: Sequence[Permission]
    ) -> bool:
        """Create an account; False where the login name is taken (by whatever tenant)."""
        ...

    def any_account(self) -> bool:
        """Whether the tenant has an account."""
        ...

    def first_account(
        self, id: str, name: str, login: str, password_hash: str, permissions: Sequence[Permission]
    ) -> bool:
        """Create an account where the tenant has none, of several at once only one; False where it was not."""
        ...

    def reset_password(self, login: str, password_hash: str) -> bool:
        """Give an account of the tenant a password and end its sessions; False where there is none."""
        ...


class KeyStore(Protocol):
    """What operators and admins do with one tenant's API keys. All raise `ports.Unavailable`."""

    def create_key(
        self,
        prefix: str,
        name: str,
        secret_hash: bytes,
        scopes: Sequence[Permission],
        by: str,
        life: timedelta | None,
    ) -> None:
        """Store a key."""
        ...

    def keys(self) -> list[KeyView]:
        """All keys, the oldest first, revoked ones included."""
        ...

    def revoke_key(self, prefix: str) -> bool:
        """Take a key out of force; False where there is none."""
        ...


class Passwords(Protocol):
    """A slow hash of passwords."""

    def hash(self, password: str) -> str:
        """The hash to store."""
        ...

    def verify(self, password_hash: str, password: str) -> bool:
        """Whether this is the password."""
        ...

    def is_weak(self, password_hash: str) -> bool:
        """Whether a hash should be made anew, because it was made with less effort than is usual now."""
        ...
