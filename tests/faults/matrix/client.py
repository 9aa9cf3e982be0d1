"""An application that posts events to the API, one after the other, each until it is answered 202."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import NamedTuple, Self

import httpx

from tests.faults.apis import addresses
from tests.faults.scenario import Item

#: How long it waits for an answer, and for the last one in the end (s).
PATIENCE = 30.0
PAUSE = 0.05


class Answered(NamedTuple):
    """When an event was posted and answered (monotonic, s), with which status; whether it says when to come again."""

    asked: float
    answered: float
    status: int
    retry_after: bool


class Client:
    """Posts from a thread of its own for as long as it is looked at."""

    def __init__(self, folder: Path, key: str, rng: Random) -> None:
        self._folder, self._headers, self._rng = folder, {"Authorization": f"Bearer {key}"}, rng
        self._stop = Event()
        self._thread = Thread(target=self._run, name="client", daemon=True)
        self.answers: list[Answered] = []
        self.items: list[Item] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(2 * PATIENCE)

    @property
    def accepted(self) -> int:
        """How many events were answered 202."""
        return len(self.items)

    @property
    def refused(self) -> int:
        """How often it was told to come again."""
        return sum(one.status == 503 for one in self.answers)

    def _run(self) -> None:
        while not addresses(self._folder):
            if self._stop.wait(PAUSE):
                return
        # Without certificates: reading them takes longer than all else.
        with httpx.Client(
            base_url=addresses(self._folder)[0], headers=self._headers, timeout=PATIENCE, verify=False
        ) as http:
            n = 0
            while not self._stop.wait(PAUSE):
                item = event(n, self._rng)
                until = monotonic() + 2 * PATIENCE
                while self._post(http, item) != 202 and monotonic() < until:
                    Event().wait(0.2)  # as a client waits before it comes again
                n += 1

    def _post(self, http: httpx.Client, item: Item) -> int:
        asked = monotonic()
        try:
            answer = http.post("/v1/events", content=item.value, headers={"Content-Type": "application/json"})
            status, retry = answer.status_code, "Retry-After" in answer.headers
        except httpx.TransportError:
            status, retry = 0, False
        self.answers.append(Answered(asked, monotonic(), status, retry))
        if status == 202:
            self.items.append(item)
        return status

    def wrong(self, began: float, over: float, noticed: float) -> list[str]:
        """What it was answered that it should not have been, where no broker was to be reached in between."""
        return wrong_answers(self.answers, began, over, noticed)


def wrong_answers(answers: list[Answered], began: float, over: float, noticed: float) -> list[str]:
    """Promises made without a broker, answers that are none, and late ones (more than `noticed` s)."""
    wrong = []
    for one in answers:
        if one.status == 202 and one.asked > began and one.answered < over:
            wrong.append(f"{one}: acknowledged while no broker was to be reached")
        elif one.status not in (202, 503) or (one.status == 503 and not one.retry_after):
            wrong.append(f"{one}: neither accepted nor told when to come again")
        elif one.answered - one.asked > noticed:
            wrong.append(f"{one}: it took more than {noticed:g} s to say so")
    if not any(one.status == 503 for one in answers):
        wrong.append("nobody was told to come again")
    return wrong


def event(n: int, rng: Random) -> Item:
    """A login of one of a few users."""
    user = f"caller-{rng.randrange(20)}"
    said = {
        "event_id": f"posted-{n}",
        "time": datetime.now(UTC).isoformat(),
        "user": user,
        "outcome": "success",
        "ip": f"198.51.100.{rng.randrange(1, 20)}",
    }
    return Item("posted", f"default:{user}", json.dumps(said).encode())
