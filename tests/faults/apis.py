"""The processes of the API as their clients see them: at addresses that change, often away, asked until they answer."""

from pathlib import Path
from random import Random
from threading import Event
from types import TracebackType
from typing import Any, Self

import httpx

#: How long programs wait for an answer (s), less than a process is stopped, so that they turn to another; and people.
PATIENCE, PATIENCE_OF_PEOPLE = 2.5, 20.0
#: Answers that say "later": the same request may be made again.
LATER = (429, 503)


def tell(folder: Path, name: str, url: str) -> None:
    """Let clients know where a process listens."""
    new = folder / f"{name}.new"
    new.write_text(url)
    new.rename(folder / f"{name}.url")


def addresses(folder: Path) -> list[str]:
    """Where processes listen, or did before they were killed."""
    return sorted(path.read_text() for path in folder.glob("*.url"))


class Stopped(Exception):
    """The run is over before there was an answer."""


class Apis:
    """Asks any of the processes. Not for several threads."""

    def __init__(self, folder: Path, stop: Event, patience: float = PATIENCE) -> None:
        self._folder, self._stop = folder, stop
        self._random = Random()
        # Without certificates: reading them takes longer than all else.
        self._client = httpx.Client(timeout=patience, verify=False)
        self._url = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def once(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        """One answer, None where there was none, or one that says "later": nobody knows then what was done."""
        url = self._somewhere()
        headers = {"Origin": url, **more.pop("headers", {})}
        try:
            answer = self._client.request(method, url + path, headers=headers, **more)
        except httpx.TransportError:
            self._url = ""
            return None
        return None if answer.status_code in LATER else answer

    def answer(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask the same again until there is an answer. Raises `Stopped`."""
        while not self._stop.is_set():
            found = self.once(method, path, **more)
            if found is not None:
                return found
            self._stop.wait(0.1)
        raise Stopped

    def _somewhere(self) -> str:
        """Where the last answer came from; after a failure, anywhere. Raises `Stopped`."""
        while not self._url:
            if self._stop.wait(0.05):
                raise Stopped
            found = addresses(self._folder)
            self._url = self._random.choice(found) if found else ""
        return self._url
