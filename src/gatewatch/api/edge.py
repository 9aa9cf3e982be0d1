"""The outermost layer: names it answers to, base path, headers of every answer, and the last word on errors."""

import math
from collections.abc import MutableMapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatewatch import logs
from gatewatch.api.problems import Problem, answer

#: Asked by machines that know an address only; they say nothing but "up".
PROBES = ("/healthz", "/readyz")

#: What each answer carries unless its handler says otherwise.
DEFAULTS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Edge:
    """ASGI middleware around everything. `hosts` may begin with `*.`; `base_path` is "" or `/name`.

    A proxy in front may strip the base path or leave it: both are understood.
    """

    def __init__(self, app: ASGIApp, hosts: list[str], base_path: str) -> None:
        self._app, self._hosts, self._base_path = app, hosts, base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; whatever goes wrong inside is answered by a problem without a trace."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sending = _Sending(send)
        try:
            await self._inside(self._placed(scope), receive, sending)
        except ClientDisconnect:
            return  # nobody is left to be told
        except Exception:
            # The boundary: what nobody expected is logged once and told without detail.
            logs.get().exception("request failed", method=scope["method"])
            if sending.started:
                raise
            await answer(Problem("internal"))(scope, receive, sending)

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].removeprefix(scope["root_path"]) not in PROBES and not self._known(scope):
            await answer(Problem("wrong_host"))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _placed(self, scope: Scope) -> MutableMapping[str, object]:
        base = self._base_path
        if base and scope["path"].startswith(f"{base}/"):
            return {**scope, "root_path": base}
        return {**scope, "root_path": ""}

    def _known(self, scope: Scope) -> bool:
        host = host_of(Headers(scope=scope).get("host", ""))
        return any(
            host == name or (name.startswith("*.") and host.endswith(name[1:]) and host != name[2:])
            for name in self._hosts
        )


def host_of(header: str) -> str:
    """The name in a Host header, without its port, in lower case."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


class _Sending:
    """`send` that adds the headers of every answer and remembers whether one began."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in DEFAULTS.items():
                headers.setdefault(name, value)
        await self._send(message)


def whole_seconds(seconds: float) -> int:
    """Seconds as a Retry-After header tells them: at least one, rounded up."""
    return max(1, math.ceil(seconds))
