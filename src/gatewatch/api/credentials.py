"""How callers prove who they are: `Authorization: Bearer <API key>`, or the cookie of a session."""

from starlette.requests import HTTPConnection
from starlette.responses import Response

from gatewatch.access_ports import OpenSession, Permission, Principal
from gatewatch.api.problems import Problem
from gatewatch.api.threads import Threads
from gatewatch.services.access import LIFE, Keys, Sessions, principal_of
from gatewatch.settings import Settings

#: Passwords that are hashed at once (64 MiB and a core each), and log-ins that may wait for it.
HASHING = 2
WAITING_LOGINS = 32
#: Look-ups that may wait for a connection.
WAITING = 1_000

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Credentials:
    """Authenticates requests (see `gate.Authenticate`) and hands out the cookie."""

    def __init__(self, keys: Keys, sessions: Sessions, settings: Settings) -> None:
        self._keys, self._sessions, self._origin = keys, sessions, settings.origin
        self._looking = Threads(settings.api_connections, WAITING)
        self.hashing = Threads(HASHING, WAITING_LOGINS)
        self._secure = settings.origin.startswith("https:")
        self._path = settings.base_path or "/"
        self.cookie = _cookie_name(self._secure, self._path)

    async def __call__(self, connection: HTTPConnection) -> Principal | None:
        """Whom a request speaks for. A key goes before a cookie: who sends one means it."""
        header = connection.headers.get("authorization")
        if header is not None:
            key = _key_of(header)
            return await self._by_key(key) if key else None
        session = await self._by_cookie(connection)
        if session is None:
            return None
        if connection.scope["method"] not in _SAFE:
            self.check_origin(connection)
        connection.state.session = session
        return principal_of(session)

    async def _by_key(self, key: str) -> Principal | None:
        return self._keys.cached(key) or await self._looking.run(self._keys.principal, key)

    async def _by_cookie(self, connection: HTTPConnection) -> OpenSession | None:
        token = self.token(connection)
        return await self._looking.run(self._sessions.find, token) if token else None

    async def permissions(self, connection: HTTPConnection) -> frozenset[Permission]:
        """What the credential of a request that was let through allows by now; no cache is asked, and a session is not
        used by this. Raises `Unavailable` where that cannot be found out.
        """
        header = connection.headers.get("authorization")
        if header is None:
            return await self._looking.run(self._sessions.permissions, self.token(connection))
        found = await self._looking.run(self._keys.principal, _key_of(header))
        return found.permissions if found is not None else frozenset()

    def token(self, connection: HTTPConnection) -> str:
        """The token of the cookie that came, "" without one."""
        return connection.cookies.get(self.cookie, "")

    def check_origin(self, connection: HTTPConnection, *, required: bool = True) -> None:
        """Raises a `Problem` for a request that another site's page had a browser send."""
        origin = connection.headers.get("origin")
        if origin is None and not required:
            return
        own = self._origin or f"{connection.scope['scheme']}://{connection.headers.get('host', '').lower()}"
        if origin != own:
            raise Problem("cross_site")

    def give(self, response: Response, token: str) -> None:
        """Have the browser keep a token where no script sees it and no other site sends it."""
        response.set_cookie(
            self.cookie,
            token,
            max_age=round(LIFE.total_seconds()),
            path=self._path,
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )

    def take_back(self, response: Response) -> None:
        """Have the browser forget it."""
        response.delete_cookie(
            self.cookie, path=self._path, secure=self._secure, httponly=True, samesite="strict"
        )


def _key_of(header: str) -> str:
    """The key that an `Authorization` header holds, "" for one of another scheme."""
    scheme, _, key = header.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _cookie_name(secure: bool, path: str) -> str:
    """Prefixes that browsers enforce: a neighbouring host or plain http cannot plant a cookie of that name."""
    prefix = "" if not secure else "__Host-" if path == "/" else "__Secure-"
    return f"{prefix}gatewatch_session"
