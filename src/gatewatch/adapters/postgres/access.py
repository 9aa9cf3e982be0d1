"""Accounts, sessions, keys and attempts in PostgreSQL (see `access_ports`)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from gatewatch.access_ports import (
    PERMISSIONS,
    KeyView,
    OpenSession,
    Permission,
    Rate,
    StoredAccount,
    StoredKey,
)
from gatewatch.adapters.postgres.connection import Row, Session, translated
from gatewatch.adapters.postgres.statements import load
from gatewatch.adapters.postgres.tenancy import TenantPool, TenantRows

_SQL = load("access.sql")


class PostgresAccess:
    """See `access_ports.AccessStore`: the role of the app, which sees no hash but by the one key it asks for."""

    def __init__(self, pool: TenantPool) -> None:
        self._pool = pool

    def account(self, login: str) -> StoredAccount | None:
        """The account of a login name."""
        rows = self._rows("account", login=login)
        return StoredAccount(*rows[0]) if rows else None

    def open_session(
        self, account: StoredAccount, id: str, token_hash: bytes, life: timedelta, replaced: bytes | None
    ) -> OpenSession | None:
        """Open a session and end the one it replaces."""
        rows = self._rows(
            "open_session",
            tenant=account.tenant,
            account=account.id,
            verified=account.password_hash,
            session=id,
            token=token_hash,
            life=life,
            replaced=replaced,
        )
        for name, permissions, expires_at in rows:
            return OpenSession(account.tenant, id, account.id, name, _known(permissions), expires_at)
        return None

    def session(self, token_hash: bytes, idle: timedelta) -> OpenSession | None:
        """The session of a token."""
        for tenant, id, account, name, permissions, expires_at in self._rows(
            "session", token=token_hash, idle=idle
        ):
            return OpenSession(tenant, id, account, name, _known(permissions), expires_at)
        return None

    def session_permissions(self, token_hash: bytes, idle: timedelta) -> frozenset[Permission]:
        """What the session of a token allows."""
        ((found,),) = self._rows("session_permissions", token=token_hash, idle=idle)
        return _known(found)

    def end_session(self, token_hash: bytes) -> None:
        """End the session of a token."""
        self._rows("end_session", token=token_hash)

    def end_sessions(self, tenant: str, account: str) -> None:
        """End all sessions of an account."""
        self._rows("end_sessions", tenant, tenant=tenant, account=account)

    def password(self, tenant: str, account: str) -> StoredAccount | None:
        """An account with the hash of its password."""
        rows = self._rows("password", tenant, account=account)
        return StoredAccount(tenant, account, rows[0][0]) if rows else None

    def set_password(self, account: StoredAccount, password_hash: str, *, same: bool) -> bool:
        """Replace the hash that was verified."""
        ((done,),) = self._rows(
            "set_password",
            tenant=account.tenant,
            account=account.id,
            verified=account.password_hash,
            hash=password_hash,
            same=same,
        )
        return bool(done)

    def key(self, prefix: str) -> StoredKey | None:
        """The key of a prefix."""
        for tenant, secret_hash, scopes, expires_in, used_ago in self._rows("key", prefix=prefix):
            return StoredKey(tenant, bytes(secret_hash), _known(scopes), expires_in, used_ago)
        return None

    def key_used(self, tenant: str, prefix: str) -> None:
        """Remember that a key was used now."""
        self._rows("key_used", tenant, prefix=prefix)

    def attempt(self, bucket: bytes, rate: Rate) -> float:
        """Count an attempt."""
        every = timedelta(seconds=rate.seconds)
        ((wait,),) = self._rows("attempt", bucket=bucket, every=every, burst=rate.burst)
        return float(wait)

    def forgive(self, bucket: bytes) -> None:
        """Forget the attempts of a bucket."""
        self._rows("forgive", bucket=bucket)

    def _rows(self, statement: str, as_tenant: str = "", /, **parameters: Any) -> list[Row]:
        return self._pool.of(as_tenant).rows(_SQL[statement], parameters)


class PostgresAccounts:
    """See `access_ports.AccountStore`: the role of the services, for commands of the operator."""

    def __init__(self, session: Session, tenant: str) -> None:
        self._session, self._tenant = session, tenant

    def create_account(
        self, id: str, name: str, login: str, password_hash: str, permissions: Sequence[Permission]
    ) -> bool:
        """Create an account; False where the login name is taken."""
        return bool(
            self._run(
                "create_account",
                account=id,
                name=name,
                login=login,
                hash=password_hash,
                permissions=list(permissions),
            )
        )

    def any_account(self) -> bool:
        """Whether the tenant has an account."""
        return bool(self._run("any_account"))

    def first_account(
        self, id: str, name: str, login: str, password_hash: str, permissions: Sequence[Permission]
    ) -> bool:
        """Create an account where the tenant has none, under a lock of the tenant's."""
        with translated(), self._session.connection.transaction():
            self._run("lock_accounts")
            return not self.any_account() and self.create_account(id, name, login, password_hash, permissions)

    def reset_password(self, login: str, password_hash: str) -> bool:
        """Give an account a password and end its sessions, in one transaction."""
        with translated(), self._session.connection.transaction():
            for (account,) in self._run("reset_password", login=login, hash=password_hash):
                self._session.run(_SQL["end_sessions"], {"tenant": self._tenant, "account": account})
                return True
        return False

    def _run(self, statement: str, /, **parameters: Any) -> list[Row]:
        return self._session.rows(_SQL[statement], {"tenant": self._tenant, **parameters})


class PostgresKeys:
    """See `access_ports.KeyStore`: the role of the services for commands, the role of the app for admins over HTTP."""

    def __init__(self, session: Session | TenantRows, tenant: str) -> None:
        self._session, self._tenant = session, tenant

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
        self._run(
            "create_key", prefix=prefix, name=name, hash=secret_hash, scopes=list(scopes), by=by, life=life
        )

    def keys(self) -> list[KeyView]:
        """All keys, the oldest first."""
        return [KeyView(*row) for row in self._run("keys")]

    def revoke_key(self, prefix: str) -> bool:
        """Take a key out of force."""
        return bool(self._run("revoke_key", prefix=prefix))

    def _run(self, statement: str, /, **parameters: Any) -> list[Row]:
        return self._session.rows(_SQL[statement], {"tenant": self._tenant, **parameters})


def _known(names: Sequence[str]) -> frozenset[Permission]:
    """The permissions among these; one that a later version gave is not understood and not had."""
    return frozenset(permission for permission in PERMISSIONS if permission in names)
