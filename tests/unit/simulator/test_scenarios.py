"""Each scenario is what it says it is, labelled, and apart from legitimate life."""

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address, ip_network

import pytest

from gatewatch.core.events import LoginEvent
from gatewatch.core.times import DAY, HOUR, MINUTE
from gatewatch.simulator import DEFAULT_START, SCENARIOS, Label, World, label_json, networks, read_labels
from gatewatch.simulator.agents import CLIENTS
from gatewatch.simulator.cities import CITIES
from gatewatch.simulator.network import Network, build_internet
from gatewatch.simulator.population import Kind, User
from gatewatch.simulator.rhythm import weekday
from tests.unit.simulator.worlds import (
    by_source,
    everything,
    failures,
    played,
    small,
    tries_per_user,
    windows,
)

SEEDS = (1, 2, 3, 4, 5)
ATTACKS = sorted(id for id, scenario in SCENARIOS.items() if scenario.kind == "attack")
DECOYS = sorted(id for id, scenario in SCENARIOS.items() if scenario.kind == "decoy")


_INTERNET = [(ip_network(network.cidr), network) for network in build_internet().all()]


def network_of(ip: str) -> Network:
    """The network an address was taken from; every address has exactly one."""
    address = ip_address(ip)
    (found,) = [network for block, network in _INTERNET if address in block]
    return found


def person(world: World, name: str) -> User:
    """Whoever has that login name."""
    everybody = map(world.population.user, range(world.population.users))
    return next(user for user in everybody if user.identity.name == name)


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_every_scenario_plays_labelled(scenario: str) -> None:
    """A world with a scenario holds its events, each with a label that names it and agrees with the event."""
    world = small(scenario, users=400)
    labelled = [(item.event, item.label) for item in world.events() if item.label]
    (campaign,) = world.campaigns()
    assert len(labelled) == campaign.events > 0
    assert (labelled[0][0].time, labelled[-1][0].time) == (campaign.first, campaign.last)
    for event, label in labelled:
        assert (label.event_id, label.user, label.source) == (event.event_id, event.user.name, event.ip)
        assert (label.scenario, label.campaign, label.kind) == (scenario, campaign.id, campaign.kind)
        assert label.success == event.is_success


@pytest.mark.parametrize("scenario", DECOYS)
def test_decoys_hold_no_attack(scenario: str) -> None:
    """A decoy's events are labelled so and expect no detector."""
    world = small(scenario, users=1_500)
    labels = [item.label for item in world.events() if item.label]
    assert {label.kind for label in labels} == {"decoy"}
    assert {label.expected for label in labels} == {()}


@pytest.mark.parametrize("scenario", DECOYS)
def test_most_people_of_a_decoy_who_fail_get_in(scenario: str) -> None:
    """Of those who mistyped or forgot their password, fewer than one in seven gives up."""
    failed = entered = 0
    for seed in SEEDS:
        events = played(scenario, seed=seed, users=1_500)
        wrong = {event.user.name for event in events if event.reason == "bad_credentials"}
        failed += len(wrong)
        entered += len(wrong & {event.user.name for event in events if event.is_success})
    assert failed > 30
    assert entered > failed * 6 / 7


@pytest.mark.parametrize("kind", ["enterprise", "consumer"])
def test_no_attacker_uses_an_address_that_a_legitimate_user_has(kind: Kind) -> None:
    """The leak guard: attack sources and legitimate sources are disjoint in worlds of many attacks."""
    counts = dict.fromkeys(ATTACKS, 2) | dict.fromkeys(DECOYS, 1)
    counts |= dict.fromkeys(("takeover_naive", "takeover_vpn", "takeover_targeted"), 60)
    attack: set[str] = set()
    legitimate: set[str] = set()
    for item in World(9, 3_000, 10, kind=kind, scenarios=counts).events():
        attacking = item.label is not None and item.label.kind == "attack"
        (attack if attacking else legitimate).add(item.event.ip)
    assert len(attack) > 300
    assert not attack & legitimate


@pytest.mark.parametrize("seed", SEEDS)
def test_stuffing_tries_each_name_once_or_twice(seed: int) -> None:
    """Within 15 minutes a source tries 25 names or more, none of them often, a good part unknown."""
    for events in by_source(played("stuffing", seed=seed)):
        best = max(windows(events, 15 * MINUTE), key=len)
        counts = tries_per_user(best)
        assert len(best) >= 25
        assert len(counts) >= 15
        assert max(counts) <= 2
        assert sum(event.reason == "unknown_user" for event in best) >= 5


def looks_sprayed(events: list[LoginEvent], users: int) -> bool:
    """The published rule for spraying, with its number of users as a parameter."""
    counts = tries_per_user(failures(events))
    band = sum(2 <= count <= 6 for count in counts) / max(1, len(counts))
    lasting = events[-1].time - events[0].time >= 5 * MINUTE
    return len(counts) >= users and sum(counts) >= 15 and 2 <= max(counts) <= 8 and band >= 0.6 and lasting


@pytest.mark.parametrize("seed", SEEDS)
def test_fast_spraying_tries_everybody_a_few_times_within_an_hour(seed: int) -> None:
    """One source, five users or more with two to eight tries each in an hour, most of them in the band."""
    (events,) = by_source(played("spraying_fast", seed=seed))
    assert any(looks_sprayed(window, 5) for window in windows(events, HOUR))


@pytest.mark.parametrize("seed", SEEDS)
def test_slow_spraying_shows_over_a_day_and_not_over_an_hour(seed: int) -> None:
    """One source sprays twenty users or more in 24 hours, but no single hour looks like spraying."""
    (events,) = by_source(played("spraying_slow", seed=seed))
    assert events[-1].time - events[0].time >= 20 * HOUR
    assert any(looks_sprayed(window, 20) for window in windows(events, DAY))
    assert not any(looks_sprayed(window, 5) for window in windows(events, HOUR))


@pytest.mark.parametrize("seed", SEEDS)
def test_distributed_spraying_hides_among_sources(seed: int) -> None:
    """Many sources with few tries each, many users with at most three."""
    events = played("spraying_distributed", seed=seed)
    assert len({event.ip for event in events}) >= 30
    assert max(tries_per_user(events)) <= 3
    assert max(len(group) for group in by_source(events)) <= 20


@pytest.mark.parametrize("seed", SEEDS)
def test_brute_force_hammers_one_account_from_one_source(seed: int) -> None:
    """One name, one address, ten failures or more in ten minutes."""
    events = played("brute_force_single", seed=seed)
    assert len({event.user.name for event in events}) == len({event.ip for event in events}) == 1
    assert max(len(window) for window in windows(failures(events), 10 * MINUTE)) >= 10


@pytest.mark.parametrize("seed", SEEDS)
def test_distributed_brute_force_has_a_source_per_try(seed: int) -> None:
    """One name; sources about as many as tries; no source reaches ten."""
    events = played("brute_force_distributed", seed=seed)
    sources = Counter(event.ip for event in events)
    assert len({event.user.name for event in events}) == 1
    assert len(sources) >= 60
    assert len(events) <= 2.2 * len(sources)
    assert max(sources.values()) < 10


def test_distributed_brute_force_comes_fast_and_slow() -> None:
    """Over some seeds there are bursts of hours and trickles of days."""
    spans = [
        (e[-1].time - e[0].time) / HOUR for s in range(8) if (e := played("brute_force_distributed", seed=s))
    ]
    assert min(spans) < 4
    assert max(spans) > 30


@pytest.mark.parametrize("seed", SEEDS)
def test_enumeration_asks_for_names_nobody_has(seed: int) -> None:
    """One source meets ten unknown names or more in an hour, each asked for once."""
    (events,) = by_source(played("enumeration", seed=seed))
    unknown = [event for event in events if event.reason == "unknown_user"]
    assert max(len(window) for window in windows(unknown, HOUR)) >= 10
    assert max(tries_per_user(events)) == 1


Knows = Callable[[User, Network, LoginEvent], bool]


def _another_country(user: User, network: Network, _event: LoginEvent) -> bool:
    return network.geo.country != CITIES[user.home].country


def _same_country(user: User, network: Network, _event: LoginEvent) -> bool:
    return network.geo.country == CITIES[user.home].country


def _same_line_and_browser(user: User, network: Network, event: LoginEvent) -> bool:
    assert event.ua
    day = event.time // DAY
    families = [CLIENTS[device.client] for device in (user.laptop, user.phone)]
    # The header without its digits is the family: versions differ by the day of the update.
    shapes = {_shape(family.render(day - 5, v)) for family in families for v in range(256)}
    return network == user.isp and _shape(event.ua.raw) in shapes


def _shape(raw: str) -> str:
    return "".join(char for char in raw if not char.isdigit())


@pytest.mark.parametrize(
    ("scenario", "knows"),
    [
        ("takeover_naive", _another_country),
        ("takeover_vpn", _same_country),
        ("takeover_targeted", _same_line_and_browser),
    ],
)
def test_takeovers_know_what_they_claim_to_know(scenario: str, knows: Knows) -> None:
    """A login as a user with a history, from where that attacker can be, from one fresh address."""
    world = World(3, 400, 6, scenarios={scenario: 25})
    entered: Counter[str] = Counter()
    for item in world.events():
        if item.label is None:
            entered[item.event.user.name] += item.event.is_success
        else:
            assert knows(person(world, item.event.user.name), network_of(item.event.ip), item.event)
    campaigns = world.campaigns()
    assert len(campaigns) >= 24
    assert all(len(campaign.sources) == len(campaign.successes) == 1 for campaign in campaigns)
    assert all(entered[campaign.targets[0]] >= 1 for campaign in campaigns)


def test_takeovers_come_at_the_hours_of_legitimate_logins() -> None:
    """The share of takeovers at the weekend and at night is about that of legitimate logins."""
    world = World(3, 400, 28, scenarios={"takeover_naive": 250}, quiet_days=0)
    attack: list[int] = [campaign.first for campaign in world.campaigns()]
    legitimate = [item.event.time for item in world.events() if item.label is None]
    for odd in (lambda time: weekday(time) >= 5, lambda time: not 6 * HOUR <= time % DAY < 18 * HOUR):
        shares = [sum(map(odd, times)) / len(times) for times in (attack, legitimate)]
        assert shares[0] == pytest.approx(shares[1], abs=0.08)


def test_nothing_but_its_nature_gives_a_takeover_away() -> None:
    """Device ids of attackers have the form and the share of legitimate ones; browsers are as current as others'."""
    world = World(3, 600, 84, scenarios={"takeover_naive": 200}, quiet_days=0)
    attack: list[LoginEvent] = []
    legitimate: list[LoginEvent] = []
    for item in world.events():
        if item.event.is_success:
            (legitimate if item.label is None else attack).append(item.event)
    shapes = [{len(event.device_id) for event in events} for events in (attack, legitimate)]
    without = [sum(not event.device_id for event in events) / len(events) for events in (attack, legitimate)]
    assert shapes[0] == shapes[1]
    assert without[0] == pytest.approx(without[1], abs=0.06)
    current = {
        event.ua.raw for event in legitimate if event.ua and event.time > world.calendar.end - 21 * DAY
    }
    late = [event for event in attack if event.time > world.calendar.end - 14 * DAY]
    assert len(late) > 20
    known = [event.ua is not None and ("wv)" in event.ua.raw or event.ua.raw in current) for event in late]
    assert sum(known) / len(known) > 0.95


@pytest.mark.parametrize("seed", SEEDS)
def test_mfa_bombing_sends_push_after_push(seed: int) -> None:
    """Five denied or ignored pushes or more within ten minutes to one enrolled user; a login only after an approval."""
    events = played("mfa_bombing", seed=seed)
    refused = failures(events)
    assert {event.activity for event in refused} == {"mfa"}
    assert {event.user.mfa_enrolled for event in events} == {True}
    assert max(len(window) for window in windows(refused, 10 * MINUTE)) >= 5
    assert any(event.is_success for event in events) == any(
        event.activity == "mfa" and event.outcome == "success" for event in events
    )


@pytest.mark.parametrize("scenario", ["office_nat", "password_expiry_monday"])
def test_an_office_arrives_behind_one_address(scenario: str) -> None:
    """More than a hundred people share an address within three hours of one morning."""
    events = played(scenario, users=1_500)
    (source,) = {event.ip for event in events}
    assert network_of(source).asn.kind == "business"
    assert len({event.user.id for event in events if event.is_success}) > 100
    assert events[-1].time - events[0].time < 3 * HOUR


def test_expired_passwords_fail_one_to_three_times_on_a_monday() -> None:
    """Everybody fails with the old password first, nobody more than three times; it is Monday where they are."""
    events = played("password_expiry_monday", users=1_500, days=9)
    counts = tries_per_user(event for event in failures(events) if event.activity == "logon")
    assert max(counts) <= 3
    assert sum(counts) > 100
    assert weekday(events[0].time) in {6, 0}
    assert weekday(events[len(events) // 2].time + 12 * HOUR) in {0, 1}


def test_a_carrier_shares_few_addresses_among_many() -> None:
    """A hundred customers or more behind two or three addresses of a mobile carrier."""
    events = played("carrier_nat", users=3_000)
    sources = {event.ip for event in events}
    assert {network_of(source).asn.kind for source in sources} == {"mobile"}
    assert 2 <= len(sources) <= 3
    assert len({event.user.id for event in events if event.is_success}) >= 100


def test_a_launch_brings_new_people_and_old_ones() -> None:
    """A third of the crowd was never seen before; all come within three hours from many places."""
    world = small("product_launch", users=900)
    crowd = [item.event for item in world.events() if item.label]
    new = {event.user.id for event in crowd if event.is_success and int(event.user.id[1:]) >= 900}
    everybody = {event.user.id for event in crowd if event.is_success}
    assert 0.25 < len(new) / len(everybody) < 0.42
    assert crowd[-1].time - crowd[0].time < 3 * HOUR
    assert len({event.ip for event in crowd}) > 50


def test_sizes_differ_from_seed_to_seed() -> None:
    """Campaigns are not all of one size."""
    assert len({len(played("stuffing", seed=seed)) for seed in SEEDS}) == len(SEEDS)


def test_attacks_wait_for_the_quiet_days() -> None:
    """Nothing staged begins before the quiet days are over, by default a fifth of the world."""
    for quiet, opens in ((None, 1.2), (3.0, 3.0), (0.0, 0.0)):
        world = World(4, 300, 6, scenarios="all", quiet_days=quiet)
        assert all(campaign.first >= DEFAULT_START + opens * DAY for campaign in world.campaigns())


@pytest.mark.parametrize("kind", ["enterprise", "consumer", "throughput"])
@pytest.mark.parametrize(("users", "days"), [(2, 0.5), (20, 1), (60, 2)])
def test_even_a_tiny_world_plays(users: int, days: float, kind: Kind) -> None:
    """Worlds too small for a scenario play what fits, without error."""
    world = World(1, users, days, kind=kind, scenarios="all")
    assert len(list(world.events())) >= sum(campaign.events for campaign in world.campaigns())


def test_every_address_belongs_to_a_network_of_the_made_up_internet() -> None:
    """No event comes from an address outside the networks that a geo database is built from."""
    known = {cidr for cidr, _, _ in networks()}
    sources = {item.event.ip for item in everything(users=100, days=1).events()}
    assert {network_of(ip).cidr for ip in sources} <= known


def test_labels_can_be_read_back() -> None:
    """What is written as NDJSON comes back equal."""
    labels = [item.label for item in everything(users=100, days=3).events() if item.label]
    assert read_labels(b"".join(map(label_json, labels))) == labels
    assert all(isinstance(label, Label) for label in labels)
