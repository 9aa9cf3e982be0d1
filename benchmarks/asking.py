"""How long lists take over millions of events, asked over HTTP of a process of the API, one request at a time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

import httpx
import msgspec

from benchmarks import http
from benchmarks.figures import BenchmarkError, percentile
from benchmarks.progress import Progress
from benchmarks.questions import Question, known, questions, unasked
from gatewatch.settings import Settings

#: How often a first page is asked for, and a question without pages.
AGAIN, OFTEN = 10, 20
#: Rows of a page, of the largest, how many pages follow the first, and at which row the deep ones begin.
PAGE, LARGEST, FOLLOWING, DEEP = 50, 500, 9, 5_000
#: A prefix that is wider than those with an index and has no event, and how long PostgreSQL may look for one (s).
NOWHERE, SHORT = "10.0.0.0/8", 0.1


class Asked(msgspec.Struct, frozen=True):
    """What a question took: the pages of the usual size, and on the way to the deep ones the largest (s)."""

    question: Question
    seconds: list[float]
    largest: list[float] = []

    @property
    def p95(self) -> float:
        """In ms."""
        return 1e3 * percentile(self.seconds, 0.95)


def measure(conninfo: str, superuser: str, progress: Progress) -> list[Asked]:
    """Ask everything; the costliest question comes first. Raises `BenchmarkError` for an answer that is none."""
    month = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    every = list(questions(known(superuser), {"a day": "", "30 days": month}))
    key, found = http.key_of(conninfo), list[Asked]()
    with http.serving(conninfo) as url, client_of(url, key) as client:
        if missed := unasked(_answer(client, "/openapi.json", {}), {one.route for one in every}):
            raise BenchmarkError(f"nothing asks {', '.join(sorted(missed))}")
        for done, question in enumerate(every):
            found.append(asked_of(client, question))
            progress.moved("asking", done + 1, len(every))
    found.sort(key=lambda asked: asked.p95, reverse=True)
    gives_up(conninfo, key)
    return found


def client_of(url: str, key: str) -> httpx.Client:
    """Who asks."""
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)


def asked_of(client: httpx.Client, question: Question) -> Asked:
    """Ask one question often, and through its pages. Raises `BenchmarkError` for an answer that is none."""
    if not question.paged:
        return Asked(question, [_timed(client, question)[0] for _ in range(OFTEN)])
    found = Asked(question, [_timed(client, question, limit=PAGE)[0] for _ in range(AGAIN)], [])
    for size, pages in ((PAGE, FOLLOWING + 1), (LARGEST, DEEP // LARGEST)):
        cursors = _walked(client, question, size, pages, found)
    for _ in _walked(client, question, PAGE, 2, found, cursors[-1] if len(cursors) == pages else ""):
        pass
    return found


def _walked(
    client: httpx.Client, question: Question, size: int, pages: int, found: Asked, cursor: str = ""
) -> list[str]:
    """Go through so many pages; gives the cursors behind them."""
    cursors, seconds = list[str](), found.seconds if size == PAGE else found.largest
    for _ in range(pages):
        took, page = _timed(client, question, limit=size, **({"cursor": cursor} if cursor else {}))
        seconds.append(took)
        if not (cursor := page["next"] or ""):
            break
        cursors.append(cursor)
    return cursors


def _timed(client: httpx.Client, question: Question, **more: str | int) -> tuple[float, Any]:
    began = perf_counter()
    answer = client.get(question.path, params={**question.params, **more})
    took = perf_counter() - began
    if answer.status_code != 200:
        raise BenchmarkError(f"{question.name} was answered {answer.status_code}: {answer.text[:200]}")
    return took, msgspec.json.decode(answer.content)


def _answer(client: httpx.Client, path: str, params: dict[str, str]) -> Any:
    return _timed(client, Question(path, path, path, params))[1]


def gives_up(conninfo: str, key: str, seconds: float = SHORT) -> None:
    """Ask a process that lets PostgreSQL work for so long for what no index leads to and nothing matches: all events
    are looked at. Raises `BenchmarkError` where the answer is not the problem, or does not come at once.
    """
    settings = Settings(log_level="warning", query_seconds=seconds)
    with http.serving(conninfo, settings=settings) as url, client_of(url, key) as client:
        began = perf_counter()
        answer = client.get("/v1/events", params={"prefix": NOWHERE, "since": "2000-01-01T00:00:00Z"})
        took = perf_counter() - began
    problem = answer.headers.get("content-type"), answer.status_code, answer.json().get("type", "")
    if problem != ("application/problem+json", 503, "urn:gatewatch:problem:too_costly") or took > seconds + 1:
        raise BenchmarkError(f"out of time, {NOWHERE} was answered {problem} after {took:.1f} s")


def families(found: list[Asked]) -> dict[str, float]:
    """The p95 of the worst question of each family, in ms."""
    worst = dict[str, float]()
    for asked in found:
        name = asked.question.family
        worst[name] = max(worst.get(name, 0.0), asked.p95)
    return worst


def table(found: list[Asked]) -> Iterator[str]:
    """Every question with its p50, p95 and maximum in ms, the costliest first."""
    for asked in found:
        numbers = (percentile(asked.seconds, 0.5), asked.p95 / 1e3, max(asked.seconds))
        yield "  ".join([*(f"{1e3 * n:7.1f}" for n in numbers), asked.question.name])
