"""The events endpoint of a Gatewatch elsewhere, over HTTP (see `sending_ports.EventsEndpoint`)."""

import gzip
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from gatewatch import __version__
from gatewatch.ports import Unavailable
from gatewatch.sending_ports import Answer

_PATH = "/v1/events"
#: Bodies from this size on are packed: lines of JSON shrink to a tenth.
_WORTH_PACKING = 16 << 10
#: How long an answer may take (s): an append that waits for the database takes its time.
_PATIENCE = 60.0


class BadAddress(Exception):
    """An address that events cannot be sent to; the message is one plain line."""


class HttpEvents:
    """One connection, kept open between requests. Raises `BadAddress`."""

    def __init__(self, address: str, key: str) -> None:
        self._url = _endpoint(address)
        headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/x-ndjson",
            "User-Agent": f"gatewatch/{__version__}",
        }
        try:
            self._client = httpx.Client(headers=headers, timeout=httpx.Timeout(_PATIENCE, connect=10.0))
        except (UnicodeError, ValueError):
            raise BadAddress("the API key holds characters that no key has") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def post(self, body: bytes, key: str) -> Answer:
        """Send lines under an idempotency key. Raises `Unavailable` where no answer came."""
        headers = {"Idempotency-Key": key}
        if len(body) >= _WORTH_PACKING:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, compresslevel=1)
        try:
            found = self._client.post(self._url, content=body, headers=headers)
        except httpx.TransportError as error:
            raise Unavailable(f"no answer from {self._url}: {str(error) or type(error).__name__}") from None
        return Answer(found.status_code, _seconds(found.headers.get("Retry-After", "")), found.content)


def _endpoint(address: str) -> str:
    """Where events are sent to, of an address with or without the path."""
    try:
        url = urlsplit(address)
        good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good or url.query or url.fragment or "@" in url.netloc:
        raise BadAddress("no address such as https://example.org")
    return address.rstrip("/").removesuffix(_PATH) + _PATH


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None
