"""Accounts: passwords and one-time codes, as any application has them. Nothing here is about Gatewatch."""

import hmac
import secrets
from hashlib import scrypt
from typing import Self

import msgspec

_STEP = 30
_NOBODY = secrets.token_bytes(16)


class Account(msgspec.Struct, frozen=True):
    """A person: the password as a salted scrypt hash, and the secret of the one-time codes ("" for none)."""

    id: str
    name: str
    salt: bytes
    password: bytes
    totp: bytes = b""

    @classmethod
    def make(cls, id: str, name: str, password: str, totp: bytes = b"") -> Self:
        """A new account."""
        salt = secrets.token_bytes(16)
        return cls(id, name, salt, _hash(password, salt), totp)


def passwords_match(account: Account | None, password: str) -> bool:
    """Whether a password is the account's; as slow for a name that nobody has."""
    given = _hash(password, account.salt if account is not None else _NOBODY)
    return account is not None and hmac.compare_digest(given, account.password)


def totp_matches(account: Account, code: str, now: float) -> bool:
    """Whether a one-time code (RFC 6238) is of now, the step before or the one after."""
    if not account.totp:
        return False
    return any(
        hmac.compare_digest(totp(account.totp, now + step * _STEP).encode(), code.encode())
        for step in (-1, 0, 1)
    )


def totp(secret: bytes, now: float) -> str:
    """The code of six digits at a time (s).

    >>> totp(b"12345678901234567890", 59)
    '287082'
    """
    digest = hmac.digest(secret, int(now // _STEP).to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFF_FFFF) % 10**6:06}"


def _hash(password: str, salt: bytes) -> bytes:
    return scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=2**14, r=8, p=1)
