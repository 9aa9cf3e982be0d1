"""The people: published facts about logins, and lives that hold together."""

from collections import Counter, defaultdict
from math import isclose
from statistics import median, quantiles

import pytest

from gatewatch.adapters.useragents import UserAgents
from gatewatch.core.events import LoginEvent
from gatewatch.core.times import DAY, HOUR
from gatewatch.simulator import DEFAULT_START, World
from gatewatch.simulator.agents import CLIENTS, agent, choose_client
from gatewatch.simulator.cities import CITIES
from gatewatch.simulator.names import mistyped, name_of, unknown_name
from gatewatch.simulator.population import Population, planned_logins
from gatewatch.simulator.presence import Presence, distance_km
from gatewatch.simulator.rhythm import Calendar, weekday
from gatewatch.simulator.seeds import stream

YEAR = Calendar(DEFAULT_START, 364)


@pytest.fixture(scope="module")
def consumers() -> list[LoginEvent]:
    """Two months of a large site."""
    return [item.event for item in World(5, 6_000, 60, kind="consumer").events()]


@pytest.fixture(scope="module")
def employees() -> list[LoginEvent]:
    """Two weeks of an organisation."""
    return [item.event for item in World(5, 500, 14).events()]


def successes(events: list[LoginEvent]) -> dict[str, list[LoginEvent]]:
    """The logins that worked, by user."""
    users: dict[str, list[LoginEvent]] = defaultdict(list)
    for event in events:
        if event.is_success:
            users[event.user.name].append(event)
    return users


def test_consumers_log_in_as_seldom_as_published(consumers: list[LoginEvent]) -> None:
    """Logins per user: 40% exactly one, median 2, p90 about 9, p99 about 28."""
    counts = sorted(len(logins) for logins in successes(consumers).values())
    cuts = quantiles(counts, n=100)
    assert counts.count(1) / len(counts) == pytest.approx(0.40, abs=0.03)
    assert median(counts) == 2
    assert cuts[89] == pytest.approx(9, abs=1.5)
    assert cuts[98] == pytest.approx(28, abs=5)


def test_planned_logins_rise_with_their_quantile() -> None:
    """The law of login counts is monotone and starts at one."""
    counts = [planned_logins(n / 1_000) for n in range(1_000)]
    assert counts == sorted(counts)
    assert (counts[0], counts[399], counts[401]) == (1, 1, 2)


def test_about_half_of_consumer_logins_show_a_new_exact_agent(consumers: list[LoginEvent]) -> None:
    """The exact user agent is new to its user in about 52% of successful logins."""
    new = total = 0
    for logins in successes(consumers).values():
        raw = [event.ua.raw for event in logins if event.ua]
        new, total = new + len(set(raw)), total + len(raw)
    assert new / total == pytest.approx(0.52, abs=0.06)


def test_browsers_change_version_while_their_family_stays() -> None:
    """Over a year every browser changes its exact string at least twice, and nothing but digits in it."""
    for number in range(len(CLIENTS)):
        seen = {agent(number, 3, day).raw for day in range(20_400, 20_765)}
        assert len(seen) >= 3
        assert (
            len({"".join(c for c in raw if not c.isdigit()) for raw in seen}) <= 2
        )  # "26" has no minor in iOS


@pytest.mark.parametrize("mobile", [False, True])
def test_browsers_are_chosen_by_share(mobile: bool) -> None:
    """Uniform numbers give each browser its share of desktops or of phones."""
    chosen = Counter(choose_client(mobile, n / 10_000) for n in range(10_000))
    pool = [client for client in CLIENTS if client.mobile == mobile]
    assert sum(client.share for client in pool) == pytest.approx(1)
    for number, count in chosen.items():
        assert CLIENTS[number].mobile == mobile
        assert count / 10_000 == pytest.approx(CLIENTS[number].share, abs=0.001)


def test_families_stay_what_a_parser_takes_them_for() -> None:
    """uap-core gives every browser a browser and an OS family, the same on every day of two years."""
    parser = UserAgents()
    for number in range(len(CLIENTS)):
        parsed = [parser.parse(agent(number, 3, day).raw) for day in range(20_200, 20_930, 7)]
        assert len({(ua.browser, ua.os) for ua in parsed}) == 1
        assert parsed[0].browser
        assert parsed[0].os


def test_updates_arrive_on_different_days() -> None:
    """Two people with the same browser do not all update on the same day."""
    first_seen = {
        next(day for day in range(20_501, 20_560) if agent(0, v, day) != agent(0, v, day - 1))
        for v in range(40)
    }
    assert len(first_seen) >= 5


@pytest.mark.parametrize("rate", [0.04, 0.08, 0.15])
def test_the_failure_rate_is_what_was_asked_for(rate: float) -> None:
    """The share of refused attempts, over everybody, is the parameter's."""
    logons = [e for i in World(5, 2_000, 7, failure_rate=rate).events() if (e := i.event).activity == "logon"]
    assert sum(e.outcome == "failure" for e in logons) / len(logons) == pytest.approx(rate, rel=0.15)


def test_failures_are_one_or_two_before_a_success(employees: list[LoginEvent]) -> None:
    """Hardly anybody fails more than three times in ten minutes."""
    failed: dict[str, list[int]] = defaultdict(list)
    for event in employees:
        if event.outcome == "failure":
            failed[event.user.name].append(event.time)
    runs = [sum(t <= other < t + HOUR // 6 for other in times) for times in failed.values() for t in times]
    assert max(runs) <= 5
    assert sum(run > 2 for run in runs) / len(runs) < 0.02


def test_employees_log_in_on_most_working_days(employees: list[LoginEvent]) -> None:
    """An enterprise is at work on weekdays, and a typical employee on most of them."""
    days = [len({e.time // DAY for e in logins}) for logins in successes(employees).values()]
    weekend = sum(weekday(event.time) >= 5 for event in employees)
    assert 5 <= median(days) <= 10
    assert weekend / len(employees) < 0.12


def test_new_people_join_over_time(employees: list[LoginEvent]) -> None:
    """Some people are first seen in the second week."""
    first = [logins[0].time for logins in successes(employees).values()]
    assert 5 <= sum(time > DEFAULT_START + 7 * DAY for time in first) <= 60


def test_an_office_shares_its_address(employees: list[LoginEvent]) -> None:
    """The busiest address serves a hundred people or more, and home addresses few."""
    people: dict[str, set[str]] = defaultdict(set)
    for event in employees:
        if event.is_success:
            people[event.ip].add(event.user.name)
    sizes = sorted(len(names) for names in people.values())
    assert sizes[-1] >= 100
    assert median(sizes) == 1


def test_addresses_change_as_leases_and_carriers_have_it() -> None:
    """A line keeps its address for a lease and then changes it; a carrier's address changes within a day."""
    people = Population(5, 400, YEAR)
    presence = Presence(people)
    hours = range(DEFAULT_START, DEFAULT_START + 120 * DAY, 6 * HOUR)
    for user in map(people.user, range(60)):
        homes = {presence.home_address(user, time) for time in hours if not user.isp.v6}
        assert len(homes) <= 120 / user.lease_days + 2
        assert len({presence.on_mobile(user, time).ip for time in hours[:4]}) >= 2


def test_travellers_never_outrun_a_plane() -> None:
    """Between two places of one person there is always a flight at under 900 km/h, without a login in it."""
    people = Population(5, 300, YEAR)
    presence, trips = Presence(people), 0
    for user in map(people.user, range(300)):
        for epoch in range(DEFAULT_START // DAY // 28, DEFAULT_START // DAY // 28 + 6):
            trip = presence.trip(user, epoch)
            if trip is None or not user.travel:
                continue
            trips += 1
            km = distance_km(CITIES[user.home], CITIES[trip.place])
            assert km / ((trip.arrive - trip.leave) / HOUR) < 900
            assert presence.place(user, trip.leave) is None
            assert presence.place(user, trip.arrive) == trip.place
            assert presence.place(user, trip.back - 1) is None
            assert presence.place(user, trip.back) == user.home
    assert trips > 20


def test_distances_are_great_circles() -> None:
    """Paris to Sydney is about 16,960 km."""
    paris, sydney = (next(c for c in CITIES if c.name == name) for name in ("Paris", "Sydney"))
    assert isclose(distance_km(paris, sydney), 16_960, rel_tol=0.01)


def test_hours_follow_the_time_zone_of_the_home() -> None:
    """The centre of a worker's day lies between eight and fifteen o'clock local time (night shifts apart)."""
    people = Population(5, 600, YEAR)
    local = [u.rhythm.centre + CITIES[u.home].utc_offset for u in map(people.user, range(600))]
    assert sum(8 <= hour <= 15 for hour in local) / len(local) > 0.95


def test_activity_time_maps_in_order_onto_event_time() -> None:
    """The map from activity time to event time never steps back, and covers the days of the world."""
    for user in map(Population(5, 20, YEAR, "consumer").user, range(20)):
        whole = YEAR.activity(user.rhythm)
        times = [YEAR.time(whole * n / 5_000, user.rhythm) for n in range(5_000)]
        assert times == sorted(times)
        assert times[0] < DEFAULT_START + 2 * DAY
        assert times[-1] > YEAR.end - 2 * DAY


def test_people_are_the_same_whoever_asks_first() -> None:
    """A person is a function of seed and number alone."""
    one, two = Population(5, 50, YEAR), Population(5, 50, YEAR)
    backwards = [two.user(n) for n in reversed(range(50))]
    assert [one.user(n) for n in range(50)] == backwards[::-1]


def test_first_due_agrees_with_the_person() -> None:
    """The short way to a first login gives what the whole person says."""
    people = Population(5, 50, YEAR, "consumer")
    for user in map(people.user, range(50)):
        assert people.first_due(user.index) == (people.first_login(user), user.first, user.logins)


def test_names_are_unique_and_nobody_has_an_unknown_one() -> None:
    """Ten thousand people have as many names; names made up by attackers are none of them."""
    rng = stream(1, "names")
    names = {name_of(n) for n in range(10_000)}
    assert len(names) == 10_000
    assert not names & {unknown_name(rng) for _ in range(10_000)}
    assert all(mistyped(name_of(n), rng) != name_of(n) for n in range(500))


def test_only_enrolled_people_are_asked_for_a_second_factor(employees: list[LoginEvent]) -> None:
    """Pushes go to enrolled users only, and an approved one is followed by that user's login."""
    pushes = [event for event in employees if event.activity == "mfa"]
    assert len(pushes) > 100
    assert all(event.user.mfa_enrolled for event in pushes)
    assert any(event.reason == "mfa_timeout" for event in pushes)
