"""What is asked of a large database: every GET of the API, each filter for a common and a rare value, a day and 30."""

from collections.abc import Iterator, Mapping
from typing import Any, LiteralString, NamedTuple

import psycopg

from benchmarks.millions import ROBOT

#: Beside these every GET of the OpenAPI document must be asked.
ELSEWHERE = frozenset({"/v1/stream", "/v1/session", "/v1/keys"})

_MOST: LiteralString = """
SELECT value FROM activity_values WHERE kind = %s GROUP BY value ORDER BY sum(events) {} LIMIT 1
"""
_LATELY: LiteralString = """
SELECT {0} FROM login_events WHERE time > (SELECT max(time) - interval '1 day' FROM login_events) AND {0} IS NOT NULL
GROUP BY {0} ORDER BY count(*) {1}, {0} LIMIT 1
"""
_ANOMALY: LiteralString = """
SELECT id, subject, body::json ->> 'event_id' FROM anomalies
WHERE subject_kind = 'user' AND state = 'open' ORDER BY last_seen DESC LIMIT 1
"""


class Question(NamedTuple):
    """A path with its parameters; `route` is the path as the OpenAPI document has it. A list has pages."""

    route: str
    name: str
    path: str
    params: Mapping[str, str | int]
    paged: bool = False

    @property
    def family(self) -> str:
        """Which figure it counts for."""
        return self.route.removeprefix("/v1/").split("/")[0].replace("-", "_")


class Known(NamedTuple):
    """What the database holds most of, and least of."""

    common: Mapping[str, str]
    rare: Mapping[str, str]
    anomaly: str
    event: str
    subject: str


def known(conninfo: str) -> Known:
    """Look for values; `conninfo` must see all rows."""
    with psycopg.connect(conninfo, autocommit=True) as connection:

        def one(query: LiteralString, *values: str) -> str:
            return str(connection.execute(query, values).fetchall()[0][0])

        def values(order: LiteralString) -> dict[str, str]:
            counted = {kind: one(_MOST.format(order), kind) for kind in ("country", "asn", "detector")}
            stored = {column: one(_LATELY.format(column, order)) for column in ("ip", "prefix")}
            return counted | stored | {"user": one(_LATELY.format("user_key", order))}

        ((anomaly, subject, event),) = connection.execute(_ANOMALY).fetchall()
        common, rare = values("DESC"), values("ASC")
    return Known(
        common | {"user": ROBOT.name, "outcome": "success", "min_score": "1", "subject": subject},
        rare | {"outcome": "challenge", "min_score": "90", "subject": "nobody"},
        anomaly,
        event,
        subject,
    )


#: Filters of events, alone and together (those that have indexes, see tests/integration/queries/test_plans.py).
FILTERS = {
    "user": ("user",),
    "ip": ("ip",),
    "prefix": ("prefix",),
    "asn": ("asn",),
    "country": ("country",),
    "outcome": ("outcome",),
    "detector": ("detector",),
    "score": ("min_score",),
}
COMBINED: Mapping[str, tuple[tuple[str, ...], Mapping[str, str | int]]] = {
    "a user's failures": (("user",), {"outcome": "failure"}),
    "a user from an address": (("user", "ip"), {}),
    "a user with a detector": (("user", "detector"), {}),
    "a user from a country": (("user", "country"), {}),
    "an address's successes": (("ip",), {"outcome": "success"}),
    "a prefix's failures": (("prefix",), {"outcome": "failure"}),
    "a network's failures": (("asn",), {"outcome": "failure"}),
    "successes from a country": (("country",), {"outcome": "success"}),
    "a detector's high scores": (("detector",), {"min_score": 80}),
    "high scores that got in": ((), {"outcome": "success", "min_score": 80}),
}
ANOMALIES: Mapping[str, Mapping[str, str]] = {
    "all": {},
    "high": {"severity": "high"},
    "resolved": {"status": "resolved"},
    "in progress": {"status": "in_progress"},
    "withdrawn": {"state": "withdrawn"},
    "of addresses": {"subject_kind": "ip"},
}


def questions(found: Known, ranges: Mapping[str, str]) -> Iterator[Question]:
    """Every question, over each range (a name and where it begins, "" for the day that a list takes by itself)."""
    for name, since in ranges.items():
        span = {"since": since} if since else {}
        yield from _events(found, name, span)
        yield from _other_lists(found, name, span)
        yield from _entities(found, name, span)
        yield from _overview(name, span)
    yield from _single(found)


def _events(found: Known, range: str, span: Mapping[str, str]) -> Iterator[Question]:
    def one(name: str, params: Mapping[str, str | int]) -> Question:
        return Question(
            "/v1/events", f"events: {name}, {range}", "/v1/events", {**span, **params}, paged=True
        )

    yield one("all", {})
    sets: dict[str, tuple[tuple[str, ...], Mapping[str, str | int]]] = {
        n: (k, {}) for n, k in FILTERS.items()
    }
    for name, (keys, fixed) in {**sets, **COMBINED}.items():
        for word, values in (("common", found.common), ("rare", found.rare)):
            if keys or word == "common":
                yield one(f"{name} ({word})", {**{key: values[key] for key in keys}, **fixed})
    yield one("failures", {"outcome": "failure"})


def _other_lists(found: Known, range: str, span: Mapping[str, str]) -> Iterator[Question]:
    def one(list: str, name: str, params: Mapping[str, str]) -> Question:
        return Question(
            f"/v1/{list}", f"{list}: {name}, {range}", f"/v1/{list}", {**span, **params}, paged=True
        )

    for name, params in ANOMALIES.items():
        yield one("anomalies", name, params)
    for word, values in (("common", found.common), ("rare", found.rare)):
        yield one("anomalies", f"detector ({word})", {"detector": values["detector"]})
        yield one("anomalies", f"subject ({word})", {"subject_kind": "user", "subject": values["subject"]})
    for sort in ("risk", "last_seen"):
        yield one("users", sort, {"sort": sort})
    for name, params in {
        "all": {},
        "a reason": {"reason": "no_time"},
        "no such reason": {"reason": "x"},
    }.items():
        yield one("dead-letters", name, params)


def _entities(found: Known, range: str, span: Mapping[str, str]) -> Iterator[Question]:
    for word, values in (("common", found.common), ("rare", found.rare)):
        for kind in ("ip", "prefix", "asn", "country"):
            path = f"/v1/entities/{kind}/{values[kind]}"
            yield Question("/v1/entities/{kind}/{value}", f"entities: {kind} ({word}), {range}", path, span)


def _overview(range: str, span: Mapping[str, str]) -> Iterator[Question]:
    def one(route: str, path: str, name: str, params: Mapping[str, str | int]) -> Question:
        return Question(
            f"/v1/overview/{route}", f"overview: {name}, {range}", f"/v1/overview/{path}", {**span, **params}
        )

    yield one("series", "series", "series", {})
    yield one("series", "series", "series by the hour", {"step": 3600})
    yield one("backlog", "backlog", "backlog", {})
    for kind in ("user", "ip", "asn", "country", "detector"):
        for by in ("signalled", "failures", "events"):
            yield one("top/{kind}", f"top/{kind}", f"top {kind} by {by}", {"by": by})


def _single(found: Known) -> Iterator[Question]:
    one: dict[str, tuple[str, str]] = {
        "event": ("/v1/events/{event_id}", f"/v1/events/{found.event}"),
        "event that is none": ("/v1/events/{event_id}", f"/v1/events/{found.anomaly}"),
        "anomaly": ("/v1/anomalies/{id}", f"/v1/anomalies/{found.anomaly}"),
        "its history": ("/v1/anomalies/{id}/history", f"/v1/anomalies/{found.anomaly}/history"),
        "user (common)": ("/v1/users/{user}", f"/v1/users/{found.common['user']}"),
        "user (rare)": ("/v1/users/{user}", f"/v1/users/{found.rare['user']}"),
        "user with anomalies": ("/v1/users/{user}", f"/v1/users/{found.subject}"),
        "health": ("/v1/health", "/v1/health"),
        "detectors": ("/v1/detectors", "/v1/detectors"),
    }
    for name, (route, path) in one.items():
        yield Question(route, f"one: {name}", path, {})


def unasked(document: Mapping[str, Any], asked: set[str]) -> set[str]:
    """The GETs of an OpenAPI document that nobody asked."""
    gets = {
        path for path, methods in document["paths"].items() if "get" in methods and path.startswith("/v1/")
    }
    return gets - asked - ELSEWHERE
