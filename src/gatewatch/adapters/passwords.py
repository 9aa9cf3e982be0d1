"""Passwords as argon2id, with the effort that RFC 9106 recommends where memory is scarce (64 MiB, three passes)."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY


class Argon2Passwords:
    """See `access_ports.Passwords`. Slow on purpose; the work is done without Python's lock."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)

    def hash(self, password: str) -> str:
        """The hash to store."""
        return self._hasher.hash(_bytes(password))

    def verify(self, password_hash: str, password: str) -> bool:
        """Whether this is the password."""
        try:
            return self._hasher.verify(password_hash, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False

    def is_weak(self, password_hash: str) -> bool:
        """Whether a hash should be made anew, because it was made with less effort than is usual now."""
        return self._hasher.check_needs_rehash(password_hash)


def _bytes(password: str) -> bytes:
    # Half a character (a lone surrogate from JSON) is a wrong password, no error.
    return password.encode("utf-8", "surrogatepass")
