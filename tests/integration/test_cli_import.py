"""`gatewatch import` on a real log, alone: every line accounted for, and what it finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.support.commands import Commands
from tests.support.servers import ROOT, scratch_folder

LOG = str(ROOT / "tests/data/sshd-auth.log")
#: The log names no year: it is read as if it had arrived then.
ARRIVED = "2026-04-21T00:00:00Z"
FOURTEEN_MONTHS_LATER = "2027-06-21T00:00:00Z"

#: The sources with at least ten failures inside ten minutes, counted by hand from the lines.
ATTACKERS = {
    *("24.151.103.17", "49.4.143.105", "34.204.227.175", "201.178.81.113", "181.26.186.35"),
    *("122.163.61.218", "221.194.44.190", "14.54.210.101", "181.25.201.155", "181.25.206.27"),
}
BENIGN = {"85.245.107.41", "95.93.96.191", "127.0.0.1"}

#: Everything that an import could change, without the wall clock.
STATE = """
SELECT 'events', count(*)::text,
    md5(string_agg(event_id || encode(digest, 'hex') || assessment::text, ',' ORDER BY event_id)) FROM login_events
UNION ALL SELECT 'profiles', count(*)::text,
    md5(string_agg(user_key || encode(state, 'hex'), ',' ORDER BY user_key)) FROM profiles
UNION ALL SELECT 'anomalies', count(*)::text, md5(string_agg(body::text, ',' ORDER BY id)) FROM anomalies
UNION ALL SELECT 'sources', count(*)::text,
    md5(string_agg(kind || value || bucket || encode(state, 'hex'), ',' ORDER BY kind, value, part, bucket))
    FROM source_activity
UNION ALL SELECT 'conflicts', count(*)::text, '' FROM event_conflicts
UNION ALL SELECT 'dead letters', count(*)::text, '' FROM dead_letters
"""


class Imported:
    """The log, imported once into a system that had never run; its server stays up to be asked."""

    def __init__(self, commands: Commands) -> None:
        self.commands = commands
        (self.summary,) = self.bring(ARRIVED)
        self.server = commands.server
        self.server.start()

    def bring(self, received: str) -> list[Any]:
        """Import the log as if it had arrived at a time."""
        return self.commands.json("import", LOG, "--source", "sshd", "--received-at", received)

    def state(self) -> list[tuple[Any, ...]]:
        """A fingerprint of everything stored."""
        return self.commands.rows(STATE)

    def anomalies(self) -> list[dict[str, Any]]:
        """All of them, as the command line tells."""
        return self.commands.json("anomalies", "--state", "any", "--limit", "1000")


@pytest.fixture(scope="module")
def imported() -> Iterator[Imported]:
    """The real log in a system of its own."""
    with scratch_folder() as folder:
        found = Imported(Commands(folder / "data"))
        try:
            yield found
        finally:
            found.server.stop()


def test_alone_it_accounts_for_every_line(imported: Imported) -> None:
    """Where nothing ever ran, an import starts what it needs, and each of 7,121 lines is a login, ignored or dead."""
    summary = imported.summary
    assert summary["lines"] == 7_121
    assert summary["event_lines"] + sum(summary["ignored"].values()) + summary["dead_lines"] == 7_121
    assert summary["stored"] == summary["events"] == 1_268
    assert (summary["duplicates"], summary["conflicts"], summary["refused"]) == (0, 0, 0)
    outcomes = imported.commands.rows("SELECT outcome, count(*) FROM login_events GROUP BY 1 ORDER BY 1")
    assert outcomes == [("failure", 1_042), ("success", 226)]


def test_a_second_and_a_later_import_change_nothing(imported: Imported) -> None:
    """The same log again, and again with the clock fourteen months on, gives duplicates and not one changed byte."""
    before = imported.state()
    for received in (ARRIVED, FOURTEEN_MONTHS_LATER):
        (summary,) = imported.bring(received)
        assert (summary["stored"], summary["duplicates"], summary["conflicts"]) == (0, 1_268, 0)
    assert imported.state() == before


def test_each_attacking_source_is_named_with_its_address(imported: Imported) -> None:
    """Each of the ten sources with ten failures inside ten minutes is in an anomaly, its address in the evidence."""
    named = {a["evidence"]["address"] for a in imported.anomalies() if "address" in a["evidence"]}
    assert named >= ATTACKERS


def test_the_takeover_is_one_brute_force_and_one_takeover(imported: Imported) -> None:
    """147 failures and a success a second later are one brute_force on the user and one account_takeover, said in a
    sentence, although the user and the address knew each other.
    """
    day = [
        a
        for a in imported.anomalies()
        if a["subject"] == "elastic_user_0" and a["last_seen"].startswith("2026-03-30T16:01")
    ]
    assert sorted(a["detector"] for a in day) == ["account_takeover", "brute_force"]
    (takeover,) = [a for a in day if a["detector"] == "account_takeover"]
    assert "24.151.103.17" in takeover["sentence"]
    assert "147 failed attempts" in takeover["sentence"]
    assert takeover["severity"] == "critical"


def test_typing_errors_make_nobody_an_attacker(imported: Imported) -> None:
    """The other three addresses that got in, with their few typing errors, are the subject of no anomaly."""
    found = imported.anomalies()
    assert not [a for a in found if a["subject"] in BENIGN]
    assert not [a for a in found if a["evidence"].get("address") in BENIGN]
    assert not [a for a in found if a["evidence"].get("top_source") in BENIGN]


def test_explain_adds_up_to_the_score(imported: Imported) -> None:
    """`explain` takes an anomaly's id or an event's: its reasons add up to the score, and it says what came later."""
    (takeover,) = imported.commands.json("anomalies", "--detector", "account_takeover")
    (found,) = imported.commands.json("explain", takeover["id"][:8])
    assert found["event"]["event_id"] == takeover["event_id"]
    assert sum(reason["points"] for reason in found["reasons"]) == found["event"]["score"]
    assert [later["kind"] for later in found["later"]] == ["doubt"]
    text = imported.commands.run("explain", takeover["event_id"]).stdout
    assert "How the score adds up" in text
    assert "147 failed attempts" in text


def test_a_user_and_a_source_can_be_looked_up(imported: Imported) -> None:
    """`user` and `source` tell who tried whom, how often, and what was found."""
    (user,) = imported.commands.json("user", "Elastic_User_0")
    assert user["known"] is True
    assert {usual["value"] for usual in user["usual"]["ip"]} >= {"85.245.107.41"}
    (source,) = imported.commands.json("source", "24.151.103.17")
    assert source["failures"] == 157
    assert source["tried"][0]["user"] == "elastic_user_0"
    assert "Users tried" in imported.commands.run("source", "24.151.103.17").stdout
    assert "logins" in imported.commands.run("user", "elastic_user_0").stdout


def test_events_are_filtered(imported: Imported) -> None:
    """Address ranges, outcomes, detectors and scores narrow the events down."""
    commands = imported.commands
    found = commands.json("events", "--ip", "24.151.103.0/24", "--outcome", "success", "--min-score", "50")
    assert [(e["user"], e["time"]) for e in found] == [("elastic_user_0", "2026-03-30T16:01:36Z")]
    assert len(commands.json("events", "--limit", "7")) == 7
    assert commands.json("events", "--since", "2026-04-20T15:00", "--until", "2026-04-21") == []


def test_another_tenant_sees_nothing(imported: Imported) -> None:
    """What belongs to one tenant does not exist for another, in any question."""
    for question in (["anomalies"], ["events"], ["dead-letters"]):
        assert imported.commands.json("--tenant", "other", *question) == []
    assert imported.commands.run("--tenant", "other", "user", "elastic_user_0").returncode == 1


def test_the_database_itself_keeps_tenants_apart(imported: Imported) -> None:
    """The role that asks sees no row while no tenant, or another one, is set, whatever the query says."""
    with psycopg.connect(imported.server.conninfo) as connection:
        connection.execute("SET ROLE gatewatch_app")
        for tenant, count in (("other", 0), ("default", 1_268)):
            connection.execute("SELECT set_config('gatewatch.tenant', %s, true)", [tenant])
            assert connection.execute("SELECT count(*) FROM login_events").fetchone() == (count,)
