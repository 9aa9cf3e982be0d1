"""Who gets in: API keys, log-ins, sessions, passwords. Secrets come in, hashes are stored, and nothing is logged."""

import hmac
import re
import secrets
import unicodedata
from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from gatewatch.access_ports import (
    AccessStore,
    AccountStore,
    KeyStore,
    KeyView,
    OpenSession,
    Passwords,
    Permission,
    Principal,
    Rate,
    StoredAccount,
    StoredKey,
)

#: A session ends this long after it was last used, and this long after it was opened.
IDLE = timedelta(hours=12)
LIFE = timedelta(days=7)
#: How long a key that was found in force is taken to be so, in seconds.
KEY_CACHE_SECONDS = 5.0
KEY_CACHE_SIZE = 10_000
#: How long the time a key was last used may lag behind, in seconds.
USED_GRAIN = 60.0
#: What a key begins with, so that scanners for leaked secrets find it; and its public part.
KEY_TAG = "gwk"
PREFIX_BYTES = 6
SECRET_BYTES = 32
_WELL_MADE = re.compile(f"{KEY_TAG}_[0-9a-f]{{{2 * PREFIX_BYTES}}}_[0-9a-f]{{{2 * SECRET_BYTES}}}")
#: The most characters of a credential that are looked at.
LONGEST = 256
#: Log-ins that may be tried: for one name from one address, and from one address at all. Never for a name alone: that
#: would let anybody lock anybody out.
TRIES_FOR_NAME = Rate(10, 30.0)
TRIES_FROM_ADDRESS = Rate(50, 6.0)
SHORTEST_PASSWORD = 12
#: What the first of all accounts may.
ADMIN: tuple[Permission, ...] = ("read", "triage", "admin")
LONGEST_PASSWORD = 1_024


class WrongCredentials(Exception):
    """Name or password is wrong; which of them is nobody's business."""


class TooManyAttempts(Exception):
    """So many attempts are not allowed; the next may be made after `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class Refused(Exception):
    """A name, password or key is not acceptable; the message is one plain line."""


class Opened(NamedTuple):
    """A session that was just opened, with its token, which is nowhere else."""

    session: OpenSession
    token: str


def digest(secret: str) -> bytes:
    """What is stored of a token or key: SHA-256, since both have 256 bits of their own."""
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def login_name(name: str) -> str:
    """A name as it is compared: without surrounding space, compatible forms and case made equal."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def principal_of(session: OpenSession) -> Principal:
    """Whom a session speaks for."""
    return Principal(session.tenant, f"account:{session.account}", session.permissions)


class Keys:
    """API keys: `gwk_<prefix>_<secret>`. Safe for several threads. `clock` is monotonic."""

    def __init__(self, store: AccessStore, clock: Callable[[], float]) -> None:
        self._store, self._clock = store, clock
        self._cache: dict[bytes, tuple[float, Principal]] = {}

    def cached(self, key: str) -> Principal | None:
        """Whom a key speaks for that was found in force a moment ago; asks nobody."""
        found = self._cache.get(digest(key))
        return found[1] if found is not None and self._clock() < found[0] else None

    def principal(self, key: str) -> Principal | None:
        """Whom a key speaks for; None for one that is not in force. Raises `Unavailable` where that is not known."""
        parts = key.split("_")
        if len(key) > LONGEST or len(parts) != 3 or parts[0] != KEY_TAG or not parts[1].isalnum():
            return None
        prefix, given = parts[1], digest(key)
        asked = self._clock()
        found = self._store.key(prefix)
        # Compared also where there is no such key, so that both take the same time.
        stored = found.secret_hash if found is not None else bytes(32)
        if not hmac.compare_digest(stored, given) or found is None:
            return None
        if found.used_ago is None or found.used_ago > USED_GRAIN:
            self._store.key_used(found.tenant, prefix)
        return self._remember(given, prefix, found, asked)

    def _remember(self, given: bytes, prefix: str, found: StoredKey, asked: float) -> Principal:
        principal = Principal(found.tenant, f"key:{prefix}", found.scopes)
        if len(self._cache) >= KEY_CACHE_SIZE:
            self._cache.clear()
        life = min(KEY_CACHE_SECONDS, found.expires_in if found.expires_in is not None else KEY_CACHE_SECONDS)
        self._cache[given] = (asked + life, principal)
        return principal


class Sessions:
    """Log-ins and what follows. Safe for several threads; a log-in takes as long as the password's hash."""

    def __init__(self, store: AccessStore, passwords: Passwords) -> None:
        self._store, self._passwords = store, passwords
        # The password of nobody: a name that does not exist takes as long as one that does.
        self._decoy = passwords.hash(secrets.token_urlsafe())

    def find(self, token: str) -> OpenSession | None:
        """The session of a token, None for one that has ended. Raises `Unavailable` where that is not known."""
        return self._store.session(digest(token), IDLE) if 0 < len(token) <= LONGEST else None

    def permissions(self, token: str) -> frozenset[Permission]:
        """What the session of a token still allows. Asking does not keep it alive. Raises `Unavailable`."""
        return self._store.session_permissions(digest(token), IDLE)

    def attempt(self, name: str, address: str) -> None:
        """Count an attempt to log in. Raises `TooManyAttempts`, before anything slow is done."""
        by_address, by_name = _buckets(name, address)
        # The address first: whoever is told to wait for that leaves no trace of the names they try.
        for bucket, rate in ((by_address, TRIES_FROM_ADDRESS), (by_name, TRIES_FOR_NAME)):
            if wait := self._store.attempt(bucket, rate):
                raise TooManyAttempts(wait)

    def log_in(self, name: str, password: str, address: str, replaced: str = "") -> Opened:
        """Open a session under a fresh token; the one of `replaced` ends. Raises `WrongCredentials`."""
        login = login_name(name)
        found = self._store.account(login) if _possible(login) else None
        account = self._verified(found, password)
        if self._passwords.is_weak(account.password_hash):
            newer = self._passwords.hash(password)
            if self._store.set_password(account, newer, same=True):
                account = StoredAccount(account.tenant, account.id, newer)
        token = secrets.token_urlsafe(SECRET_BYTES)
        old = digest(replaced) if replaced else None
        session = self._store.open_session(account, secrets.token_hex(8), digest(token), LIFE, old)
        if session is None:  # the password was changed while it was verified
            raise WrongCredentials
        self._store.forgive(_buckets(name, address)[1])
        return Opened(session, token)

    def log_out(self, token: str) -> None:
        """End a session."""
        self._store.end_session(digest(token))

    def log_out_everywhere(self, session: OpenSession) -> None:
        """End all sessions of an account."""
        self._store.end_sessions(session.tenant, session.account)

    def change_password(self, session: OpenSession, current: str, new: str) -> None:
        """Replace a password and end all sessions of its account. Raises `WrongCredentials`, `Refused`."""
        check_password(new)
        account = self._verified(self._store.password(session.tenant, session.account), current)
        if not self._store.set_password(account, self._passwords.hash(new), same=False):
            raise WrongCredentials

    def _verified(self, account: StoredAccount | None, password: str) -> StoredAccount:
        stored = account.password_hash if account is not None else self._decoy
        if len(password) > LONGEST_PASSWORD:
            raise WrongCredentials
        if not self._passwords.verify(stored, password) or account is None:
            raise WrongCredentials
        return account


def _possible(login: str) -> bool:
    return 0 < len(login) <= LONGEST and login.isprintable()


def check_password(password: str) -> None:
    """Raises `Refused` for a password that may not be chosen."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Refused(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD:,} characters")


def _buckets(name: str, address: str) -> tuple[bytes, bytes]:
    """What attempts are counted under: an address, and a name from there. Hashes, so that no list of names arises."""
    place = _place(address)
    return digest(f"address\0{place}"), digest(f"name\0{login_name(name)}\0{place}")


def _place(address: str) -> str:
    """An address as attempts are counted by: of IPv6 its /64, which one machine has for itself."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(IPv6Network((int(found) >> 64 << 64, 64)))
    return str(found)


class Accounts:
    """What operators do with accounts. A password that is made here is told once and stored as a hash."""

    def __init__(self, store: AccountStore, passwords: Passwords) -> None:
        self._store, self._passwords = store, passwords

    def create_account(self, name: str, password: str, permissions: Sequence[Permission]) -> None:
        """Create an account. Raises `Refused`."""
        login = login_name(name)
        if not _possible(login):
            raise Refused(f"a name has 1 to {LONGEST} printable characters")
        check_password(password)
        hashed = self._passwords.hash(password)
        if not self._store.create_account(secrets.token_hex(8), name.strip(), login, hashed, permissions):
            raise Refused("there is an account of that name already")

    def first_account(self, name: str, tenant: str, password: str | None = None) -> tuple[str, str] | None:
        """Create the tenant's first account, whoever else tries it at the same time; None where there is one.

        Returns its name (with the tenant behind it where another tenant has that name) and its password, which is made
        up where none is given. Raises `Refused`.
        """
        if self._store.any_account():
            return None
        if password is None:
            password = generated_password()
        check_password(password)
        hashed = self._passwords.hash(password)
        for called in (name, f"{name}@{tenant}"):
            if self._store.first_account(secrets.token_hex(8), called, login_name(called), hashed, ADMIN):
                return called, password
        return None

    def reset_password(self, name: str, password: str) -> None:
        """Give an account another password and end its sessions. Raises `Refused`."""
        check_password(password)
        if not self._store.reset_password(login_name(name), self._passwords.hash(password)):
            raise Refused("there is no account of that name")


class IssuedKeys:
    """What operators and admins do with API keys. A key is told once and stored as a hash."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    def list(self) -> Sequence[KeyView]:
        """All keys, the oldest first, revoked ones included."""
        return self._store.keys()

    def create(self, name: str, scopes: Sequence[Permission], by: str, life: timedelta | None = None) -> str:
        """Create an API key; returns it, for the only time."""
        prefix = secrets.token_hex(PREFIX_BYTES)
        # Without the alphabet's underscore, which parts prefix and secret.
        key = f"{KEY_TAG}_{prefix}_{secrets.token_hex(SECRET_BYTES)}"
        self._store.create_key(prefix, name, digest(key), scopes, by, life)
        return key

    def register(
        self, key: str, name: str, scopes: Sequence[Permission], by: str, life: timedelta | None = None
    ) -> bool:
        """Put a key into force that was made elsewhere; False where the tenant has it already. Raises `Refused`."""
        if not _WELL_MADE.fullmatch(key):
            raise Refused(
                f"a key is {KEY_TAG}_, {2 * PREFIX_BYTES} hex digits, _, {2 * SECRET_BYTES} hex digits"
            )
        prefix = key.split("_")[1]
        known = next((known for known in self.list() if known.prefix == prefix), None)
        if known is not None and known.revoked_at:
            raise Refused(f"key {prefix} was revoked")
        if known is not None:
            return False
        self._store.create_key(prefix, name, digest(key), scopes, by, life)
        return True

    def revoke(self, prefix: str) -> None:
        """Take a key out of force; every process notices within five seconds. Raises `Refused`."""
        if not self._store.revoke_key(prefix):
            raise Refused(f"there is no key {prefix}")


def generated_password() -> str:
    """A password for somebody who will change it, or not need to."""
    return secrets.token_urlsafe(15)
