"""The stream over HTTP: what is stored comes once and in the form of its list; ids of strangers; what is told apart."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator

import httpx
import pytest

from gatewatch import bootstrap
from gatewatch.core.events import LoginEvent
from gatewatch.core.times import DAY, MINUTE, isoformat
from gatewatch.services import positions
from gatewatch.services import stream as limits
from tests.builders import AWAY_IP, LAGOS, START, burst, daily, login
from tests.integration.api.conftest import Api, bearer
from tests.integration.api.streams import Listener, told
from tests.integration.heart.rig import Heart
from tests.support.http import problem

RANGE = {"since": isoformat(START - DAY), "until": isoformat(START + 40 * DAY)}


@pytest.fixture
def heart(api: Api) -> Iterator[Heart]:
    """What stores, step by step, on the same database."""
    heart = Heart(api.conninfo)
    yield heart
    heart.close()


@pytest.fixture
def key(api: Api) -> str:
    """The key of a program that may read."""
    return api.key("read")


def logins(count: int, start: int = START, **changes: object) -> list[LoginEvent]:
    """Ordinary logins of many users, which lie on all partitions."""
    return [login(start + n * MINUTE, user=f"u{n}", **changes) for n in range(count)]


def ids(events: list[LoginEvent]) -> list[str]:
    """What a stream tells of events, in no order."""
    return sorted(event.event_id for event in events)


def test_what_is_stored_comes_as_it_stands_in_its_list(url: str, heart: Heart, key: str) -> None:
    """Events and the latest versions of anomalies are the same values in the stream and in their lists."""
    with Listener(url, key) as stream:
        stream.begun()
        heart.take(*daily(10), *burst(20, START + 12 * DAY, ip=AWAY_IP, geo=LAGOS))
        found = stream.next(30 + len(heart.announced()))
    with httpx.Client(base_url=f"{url}/v1", headers=bearer(key)) as client:
        events = client.get("/events", params=RANGE).json()["items"]
        anomalies = client.get("/anomalies", params=RANGE).json()["items"]
    assert sorted((b.data for b in found if b.event == "event"), key=str) == sorted(events, key=str)
    latest = {b.data["id"]: b.data for b in found if b.event == "anomaly"}
    assert anomalies
    assert sorted(latest.values(), key=str) == sorted(anomalies, key=str)


def test_what_people_say_comes_too(browser: httpx.Client, url: str, heart: Heart, key: str) -> None:
    """A change of status comes as its anomaly with what was said; so do later versions of it."""
    heart.take(*burst(20, START))
    anomaly = heart.anomalies("brute_force")[0]
    with Listener(url, key, kinds="anomalies") as stream:
        stream.begun()
        said = browser.patch(f"/v1/anomalies/{anomaly.id}", json={"status": "resolved", "revision": 0}).json()
        (found,) = stream.next(1)
        assert found.data in browser.get("/v1/anomalies", params=RANGE).json()["items"]
        assert (found.data["status"], found.data["changed_by"]) == ("resolved", said["changed_by"])
        announced = len(heart.announced())
        heart.take(*burst(20, START + MINUTE))
        versions = stream.next(len(heart.announced()) - announced)
        grown = next(b.data for b in versions if b.data["id"] == anomaly.id)
        assert (grown["status"], grown["version"]) == ("resolved", anomaly.version + 1)
        assert grown["since"] > 0


def test_each_block_is_a_place_to_go_on_from(
    url: str, heart: Heart, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever block was the last that came, the stream goes on behind it: nothing is lost, nothing comes twice."""
    monkeypatch.setattr("gatewatch.services.stream.PAGE", 12)
    with Listener(url, key) as stream:
        beginning = stream.begun().id
    heart.take(*logins(40), *burst(20, START + 2 * DAY))
    total = 60 + len(heart.announced())
    with Listener(url, key, beginning) as stream:
        whole = stream.next(total)
    assert len(set(told(whole))) == total
    for n in range(0, total - 1, 7):
        with Listener(url, key, whole[n].id) as stream:
            assert sorted(told(stream.next(total - n - 1))) == sorted(told(whole[n + 1 :]))


def test_who_caught_up_goes_on_live(url: str, heart: Heart, key: str) -> None:
    """A stream that read what it missed gets what is stored from then on, whether by header or by parameter."""
    with Listener(url, key) as stream:
        id = stream.begun().id
    missed, later = logins(10), logins(10, START + DAY)
    heart.take(*missed)
    with Listener(url, key, id) as by_header, Listener(url, key, after=id) as by_parameter:
        for stream in (by_header, by_parameter):
            assert sorted(told(stream.next(10))) == ids(missed)
        heart.take(*later)
        for stream in (by_header, by_parameter):
            assert sorted(told(stream.next(10))) == ids(later)
    with Listener(url, key, by_header.id, after=id, kinds="events") as stream:
        heart.take(login(START + 3 * DAY, event_id="last"))
        assert told(stream.next(1)) == ["last"], "the header goes before the parameter"


def test_more_partitions(url: str, heart: Heart, key: str) -> None:
    """An id from before the log grew goes on behind it, on old and new partitions."""
    with Listener(url, key) as stream:
        id = stream.begun().id
    before, between, after = logins(20), logins(20, START + DAY), logins(20, START + 2 * DAY)
    heart.take(*before)
    heart.send(*between)
    bootstrap.grow(heart.conninfo, 7)
    heart.log.close()
    heart.claim()
    heart.settle()
    with Listener(url, key, id) as stream:
        assert sorted(told(stream.next(40))) == ids(before + between)
        heart.take(*after)
        assert sorted(told(stream.next(20))) == ids(after)


def test_kinds(url: str, heart: Heart, key: str) -> None:
    """A stream tells of the kinds that are asked for, and passes over the rest."""
    with Listener(url, key, kinds="events") as events, Listener(url, key, kinds="anomalies") as anomalies:
        events.begun()
        anomalies.begun()
        heart.take(*burst(20, START))
        assert {block.event for block in events.next(20)} == {"event"}
        assert {block.event for block in anomalies.next(len(heart.announced()))} == {"anomaly"}
    refused = httpx.get(f"{url}/v1/stream", params={"kinds": "everything"}, headers=bearer(key))
    assert problem(refused)["code"] == "invalid"


def test_a_tenant_hears_of_itself_alone(api: Api, url: str, heart: Heart, key: str) -> None:
    """Of what two tenants store, live or caught up with, each stream tells its own."""
    other = api.key("read", tenant="other")
    with Listener(url, key) as ours, Listener(url, other) as theirs:
        begun = ours.begun().id, theirs.begun().id
        heart.take(*logins(10), *logins(10, START + DAY, tenant_id="other"))
        heart.take(*burst(20, START + DAY, tenant_id="other"))
        assert sorted(told(ours.next(10))) == ids(logins(10))
        heard = theirs.next(30 + len(heart.announced()))
        heart.take(login(START + 9 * DAY, event_id="end"))
        assert told(ours.next(1)) == ["end"]
    with Listener(url, key, begun[0]) as ours, Listener(url, other, begun[1]) as theirs:
        assert sorted(told(ours.next(11))) == sorted([*ids(logins(10)), "end"])
        assert sorted(told(theirs.next(len(heard)))) == sorted(told(heard))


def test_an_id_of_another_tenant_or_of_nobody(api: Api, url: str, key: str) -> None:
    """An id that is none of this tenant's is refused before anything is sent."""
    with Listener(url, api.key("read", tenant="other")) as stream:
        foreign = stream.begun().id
    packed = [b"", b"\x93", b"\xc1" * 40, b'{"events":{}}', b"\x93\xc4\x00\x80\x80", b"\x92\x80\x80"]
    made_up = [urlsafe_b64encode(data).decode() for data in packed]
    for id in [foreign, "0", "' OR 1=1", "\xe9", "A" * 50_000, *filter(None, made_up)]:
        refused = httpx.get(f"{url}/v1/stream", params={"after": id}, headers=bearer(key))
        assert problem(refused)["code"] == "bad_request", id


def test_who_may_not_listen(api: Api, url: str) -> None:
    """A stream needs a credential, and the permission to read."""
    assert problem(httpx.get(f"{url}/v1/stream"))["code"] == "unauthenticated"
    refused = httpx.get(f"{url}/v1/stream", headers=bearer(api.key("ingest", "decide")))
    assert problem(refused)["code"] == "forbidden"


def test_what_is_no_longer_kept(api: Api, url: str, heart: Heart, key: str) -> None:
    """Where a month of events was dropped, or messages of the outbox were forgotten, the client must reload; it is
    told so, and hears what comes after.
    """
    heart.take(*logins(5))
    with Listener(url, key) as stream:
        before = stream.begun().id
    heart.take(*logins(5, START + DAY), *burst(20, START + 2 * DAY))
    with Listener(url, key) as stream:
        behind = stream.begun().id
    api.rows("DELETE FROM outbox")
    with Listener(url, key, before) as old, Listener(url, key, behind) as new:
        new.begun()
        assert told(old.next(1)) == ["too_old"]
        heart.take(login(START + 3 * DAY, event_id="next"))
        assert told(old.next(1)) == told(new.next(1)) == ["next"]
        after = new.id
    heart.take(login(START + 40 * DAY, event_id="next month"))
    api.rows("SELECT drop_event_partitions('2026-04-01T00:00:00Z')")
    with Listener(url, key, after) as old, Listener(url, key) as new:
        new.begun()
        assert told(old.next(1)) == ["too_old"]
        fresh = new.id
    heart.take(login(START + 41 * DAY, event_id="still there"))
    with Listener(url, key, fresh) as stream:
        assert told(stream.next(1)) == ["still there"]


@pytest.mark.parametrize("limit", ["events", "messages"])
def test_too_much_to_catch_up_on(
    api: Api, heart: Heart, key: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who missed more than may be caught up on is told to reload instead; who missed just that much is not."""
    with api.process() as url, Listener(url, key) as stream:
        id = stream.begun().id
    heart.take(*burst(20, START))
    messages = len(heart.announced())
    for missed in (0, -1):
        events = 20 + missed if limit == "events" else 20
        monkeypatch.setattr(limits, "MOST_MESSAGES", messages + missed if limit == "messages" else messages)
        with api.process(stream_catch_up=str(events)) as url, Listener(url, key, id) as listener:
            if missed:
                assert told(listener.next(1)) == ["too_much"]
            else:
                assert len(set(told(listener.next(20 + messages)))) > 20


def test_a_database_that_was_set_back(url: str, heart: Heart, key: str) -> None:
    """An id ahead of what is stored, as after a backup was restored, is answered by a reset, not by silence."""
    heart.take(*logins(5))
    ahead = positions.write("acme", {0: 10_000}, {})
    with Listener(url, key, ahead) as listener:
        assert told(listener.next(1)) == ["ahead"]
        heart.take(login(START + DAY, event_id="next"))
        assert told(listener.next(1)) == ["next"]


def test_a_session_may_listen(browser: httpx.Client, url: str, heart: Heart) -> None:
    """A person's browser listens with its cookie."""
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    with Listener(url, cookie=cookie) as stream:
        stream.begun()
        heart.take(login(START))
        assert len(stream.next(1)) == 1
