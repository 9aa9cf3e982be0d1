"""People who work on anomalies in the browser while everything dies, and remember what they were told."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple, get_args

import httpx

from gatewatch.read_ports import Status
from tests.faults.apis import PATIENCE_OF_PEOPLE, Apis, Stopped

#: The most changes of one request, and rows of a page.
MANY, PAGE = 20, 40
#: How often one does something (s).
BEAT = 0.1
STATUSES: tuple[Status, ...] = get_args(Status)
RANGE = {"since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z", "state": "any"}
PASSWORD = "a password of the fault test"
#: The path of changes.
_MANY = "/v1/anomalies/statuses"


class Change(NamedTuple):
    """A status for an anomaly that is expected to be at a revision."""

    id: str
    status: Status
    revision: int


class Result(NamedTuple):
    """What became of a change: changed, conflict or unknown; what holds now (None where nothing was told)."""

    outcome: str
    said: dict[str, Any] | None


class Request(NamedTuple):
    """Changes that somebody asked for at once, and what became of each; None where no answer came."""

    by: str
    changes: list[Change]
    results: list[Result] | None


class Shown(NamedTuple):
    """An anomaly as the API shows it."""

    status: str
    revision: int
    hits: int
    since: int


class Person(Thread):
    """Reads pages of anomalies and changes statuses, one or many at once, some of them back again.

    A change whose answer did not come is never asked for again in the same words: so what is stored tells which request
    it came from.
    """

    def __init__(self, name: str, folder: Path, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.requests: list[Request] = []
        self.failure = ""
        self._over = Event()
        self._random = random.Random(f"{seed}{name}")
        self._apis = Apis(folder, self._over, PATIENCE_OF_PEOPLE)
        self._cursor: str | None = None
        self._rows: list[dict[str, Any]] = []
        self._seen: dict[str, Status] = {}
        self._done: list[tuple[Change, Status]] = []
        self._doubtful: set[Change] = set()

    @property
    def changed(self) -> int:
        """How many changes were acknowledged."""
        return sum(one.outcome == "changed" for request in self.requests for one in request.results or ())

    def finish(self) -> None:
        """End, with what is under way."""
        self._over.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """Work until told to stop."""
        try:
            with self._apis:
                log_in(self._apis, self.name)
                while not self._over.wait(self._random.uniform(0, 2 * BEAT)):
                    self._turn()
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001 -- told by the run, which nobody else would tell
            self.failure = f"{self.name} stopped: {error!r}"

    def _turn(self) -> None:
        if self._done and self._random.random() < 0.2:
            self._undo()
            return
        if not self._rows:
            self._rows = self._page()
        many = self._random.randrange(2, MANY) if self._random.random() < 0.3 else 1
        rows, self._rows = self._rows[:many], self._rows[many:]
        found = [change for row in rows for change in self._wanted(row)]
        if many > 1:
            self._many([*found, Change("0" * 32, "resolved", 0)])
        elif found:
            self._one(*found)

    def _page(self) -> list[dict[str, Any]]:
        """The next page of anomalies, in any order; after the last, the first."""
        query = RANGE | {"limit": str(PAGE)} | ({"cursor": self._cursor} if self._cursor else {})
        page = _of(self._apis.answer("GET", "/v1/anomalies", params=query))
        self._cursor = page["next"]
        self._seen |= {row["id"]: row["status"] for row in page["items"]}
        return self._random.sample(page["items"], len(page["items"]))

    def _wanted(self, row: dict[str, Any]) -> list[Change]:
        """Some status, expected at the revision that was shown; now and then at one that is past."""
        past = row["revision"] > 0 and self._random.random() < 0.05
        wanted = [Change(row["id"], status, row["revision"] - past) for status in STATUSES]
        wanted = [change for change in wanted if change not in self._doubtful]
        return self._random.sample(wanted, min(1, len(wanted)))

    def _undo(self) -> None:
        """Say what was said before a change of one's own."""
        change, before = self._done.pop()
        back = Change(change.id, before, change.revision + 1)
        if back not in self._doubtful:
            self._one(back)

    def _one(self, change: Change) -> None:
        wanted = {"status": change.status, "revision": change.revision}
        answer = self._apis.once("PATCH", f"/v1/anomalies/{change.id}", json=wanted)
        if answer is not None and answer.status_code == 409:
            self._told([change], [Result("conflict", answer.json()["current"])])
        else:
            self._told([change], [Result("changed", _of(answer))] if answer is not None else None)

    def _many(self, changes: list[Change]) -> None:
        wanted = {"changes": [change._asdict() for change in changes]}
        answer = self._apis.once("POST", _MANY, json=wanted)
        results = _of(answer)["results"] if answer is not None else None
        self._told(changes, results and [Result(one["outcome"], one["said"]) for one in results])

    def _told(self, changes: Sequence[Change], results: list[Result] | None) -> None:
        self.requests.append(Request(self.name, [*changes], results))
        if results is None:
            self._doubtful.update(changes)
            return
        done = [
            change for change, result in zip(changes, results, strict=True) if result.outcome == "changed"
        ]
        self._done += [(change, self._seen[change.id]) for change in done]
        del self._done[:-MANY]


def log_in(apis: Apis, name: str) -> None:
    """Log in as somebody."""
    _of(apis.answer("POST", "/v1/session", json={"name": name, "password": PASSWORD}))


def shown(apis: Apis) -> dict[str, Shown]:
    """All anomalies as the API shows them."""
    found, cursor = dict[str, Shown](), ""
    while True:
        query = RANGE | {"limit": "500"} | ({"cursor": cursor} if cursor else {})
        page = _of(apis.answer("GET", "/v1/anomalies", params=query))
        for row in page["items"]:
            found[row["id"]] = Shown(row["status"], row["revision"], row["count"], row["since"])
        cursor = page["next"]
        if not cursor:
            return found


def _of(answer: httpx.Response) -> Any:
    """What an answer says, which must be no refusal."""
    if not answer.is_success:
        raise ValueError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
    return answer.json()
