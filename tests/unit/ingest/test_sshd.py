import json
from collections import Counter
from datetime import UTC
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gatewatch.core.events import Auth
from gatewatch.core.times import DAY, isoformat
from gatewatch.ingest.contract import Ignored, IgnoreReason
from tests.ingesting import NOW, arrival, event, events, ignored, one, read, reject, rejects

LOG = Path(__file__).parents[2] / "data" / "sshd-auth.log"
HEAD = b"Mar 27 13:06:56 host sshd[1291]: "
FAILED = b"Failed password for root from 203.0.113.7 port 4242 ssh2"


def test_real_log() -> None:
    """Every line of a real log is accounted for, and its attempts are those that were counted by hand."""
    results = read(LOG.read_bytes(), "sshd")
    outcomes = Counter(record.event.outcome for record in events(results))
    assert outcomes == {"failure": 1_042, "success": 226}
    assert rejects(results) == []
    reasons = Counter(line.reason for line in ignored(results))
    assert reasons == {
        "not_sshd": 3_026,
        "pam_detail": 1_402,
        "connection": 1_167,
        "invalid_user_notice": 356,
        "too_many_failures": 189,
        "session": 24,
        "server": 14,
    }
    # 632 Failed lines, 85 lines that stand for 410 repeats, 226 Accepted ones, and the ignored: each line once.
    assert 632 + 85 + 226 + sum(reasons.values()) == 7_121


def test_second_reading_years_later() -> None:
    """Read again 14 months on, the stamps lie in another year, and ids and digests are the same."""
    data = LOG.read_bytes()[:200_000]
    first = events(read(data, "sshd"))
    second = events(read(data, "sshd", arrival("sshd", received=NOW + 425 * DAY)))
    assert first[0].event.time != second[0].event.time
    assert [(r.event.event_id, r.digest) for r in first] == [(r.event.event_id, r.digest) for r in second]
    assert all(record.time_by_arrival for record in (*first, *second))


def test_ids_are_unique_and_sorted() -> None:
    """The ids of a file sort as its lines do, repeats of one line included."""
    ids = [record.event.event_id for record in events(read(LOG.read_bytes(), "sshd"))]
    assert ids == sorted(set(ids))


def test_failed() -> None:
    """A failed password is a failure of the known user."""
    record = event(HEAD + FAILED, "sshd")
    login = record.event
    assert (login.outcome, login.reason_class, login.user.name) == ("failure", "bad_credentials", "root")
    assert (login.ip, login.port, login.session_id) == ("203.0.113.7", 4242, "1291")
    assert login.auth == Auth("password", (), "ssh2")
    assert isoformat(login.time) == "2026-03-27T13:06:56Z"
    assert login.flags == ("year_resolved", "zone_assumed")
    assert login.extra == {"host": "host"}
    assert record.time_by_arrival


@pytest.mark.parametrize(
    ("text", "user", "ip", "reason"),
    [
        (
            b"Failed password for invalid user bob from 203.0.113.7 port 1 ssh2",
            "bob",
            "203.0.113.7",
            "unknown_user",
        ),
        (
            b"Failed password for illegal user bob from 203.0.113.7 port 1 ssh2",
            "bob",
            "203.0.113.7",
            "unknown_user",
        ),
        (
            b"Failed password for invalid user  from 203.0.113.7 port 1 ssh2",
            "",
            "203.0.113.7",
            "unknown_user",
        ),
        (b"Failed password for invalid user a b from ::1 port 1 ssh2", "a b", "::1", "unknown_user"),
        (
            b"Failed none for root from ::ffff:203.0.113.7 port 1 ssh2",
            "root",
            "203.0.113.7",
            "bad_credentials",
        ),
        (b"Failed password for root from fe80::1%eth0 port 1 ssh2", "root", "fe80::1", "bad_credentials"),
        (b"Failed password for root from host.example port 1 ssh2", "root", "", "bad_credentials"),
        (
            b"Failed publickey for root from 1.2.3.4 port 1 ssh2: RSA SHA256:x",
            "root",
            "1.2.3.4",
            "bad_credentials",
        ),
        (
            b"Failed password for invalid user x from 192.0.2.1 port 9 ssh2 from 203.0.113.7 port 1 ssh2",
            *("x from 192.0.2.1 port 9 ssh2", "203.0.113.7", "unknown_user"),
        ),
        (b"Accepted publickey for u from 1.2.3.4 port 1 ssh2: ED25519 SHA256:x", "u", "1.2.3.4", None),
        (b"Accepted keyboard-interactive/pam for u from 1.2.3.4 port 1 ssh2", "u", "1.2.3.4", None),
    ],
)
def test_attempts(text: bytes, user: str, ip: str, reason: str | None) -> None:
    """User, address and reason are read from the right end, whatever is in the user's name."""
    login = event(HEAD + text, "sshd").event
    assert (login.user.name, login.ip, login.reason_class) == (user, ip, reason)
    assert login.outcome == ("success" if reason is None else "failure")


def test_host_name() -> None:
    """A host name is kept as such."""
    login = event(HEAD + b"Accepted password for u from host.example port 1 ssh2", "sshd").event
    assert (login.ip, login.hostname) == ("", "host.example")


def test_repeats() -> None:
    """A message that was repeated five times is five attempts with five ids and one content."""
    records = events(read(HEAD + b"message repeated 5 times: [ " + FAILED + b"]", "sshd"))
    assert [record.event.event_id.split("-")[2] for record in records] == [
        f"{index:04x}" for index in range(5)
    ]
    assert len({record.digest for record in records}) == 1


@pytest.mark.parametrize("count", [b"0", b"10001", b"99999999999999999999"])
def test_absurd_repeats(count: bytes) -> None:
    """A count that no sshd writes is rejected instead of filling the memory."""
    text = HEAD + b"message repeated " + count + b" times: [ " + FAILED + b"]"
    assert reject(text, "sshd").reason == "bad_repeat"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (HEAD + b"Invalid user bob from 203.0.113.7", "invalid_user_notice"),
        (HEAD + b"pam_unix(sshd:auth): authentication failure; rhost=203.0.113.7  user=root", "pam_detail"),
        (HEAD + b"PAM 2 more authentication failures; rhost=203.0.113.7", "pam_detail"),
        (HEAD + b"message repeated 2 times: [ Invalid user bob from 203.0.113.7]", "invalid_user_notice"),
        (HEAD + b"Partial publickey for u from 1.2.3.4 port 1 ssh2", "partial_authentication"),
        (HEAD + b"Connection closed by 203.0.113.7 port 1 [preauth]", "connection"),
        (HEAD + b"something new", "sshd_other"),
        (HEAD, "sshd_other"),
        (b"Mar 27 13:06:56 host CRON[1]: Failed password for root from 203.0.113.7 port 1 ssh2", "not_sshd"),
        (b"Mar 27 13:06:56 host sshd-keygen[1]: done", "not_sshd"),
        (b"Mar 27 13:06:56 host last message repeated 3 times", "not_sshd"),
        (b"Mar 27 13:06:56 host -- MARK --", "not_sshd"),
        (b"   ", "blank"),
    ],
)
def test_ignored(line: bytes, reason: IgnoreReason) -> None:
    """A line that is no attempt is ignored, and says why."""
    assert one(line, "sshd") == Ignored(reason, 1)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"no syslog", "not_syslog"),
        (b"\x00\xff\xfe", "not_syslog"),
        (b"Feb 30 13:06:56 host sshd[1]: " + FAILED, "bad_time"),
        (b"2026-13-27T13:06:56Z host sshd[1]: " + FAILED, "bad_time"),
        (HEAD + b"Failed password for root", "bad_sshd_line"),
        (HEAD + b"Failed password for root from 999.1.1.1 port 1 ssh2", "bad_address"),
        (HEAD + b"Failed password for root from 1.1.1.1 port 99999 ssh2", "bad_field"),
        (HEAD + b"Failed password for invalid user  from host.example port 1 ssh2", "no_subject"),
        (b'{"MESSAGE": 1', "bad_json"),
        (b'{"MESSAGE": "x"}', "no_time"),
    ],
)
def test_rejected(line: bytes, reason: str) -> None:
    """A line that should be an attempt, or is no log line at all, is rejected with its reason."""
    assert reject(line, "sshd").reason == reason


@pytest.mark.parametrize("process", [b"sshd", b"sshd-session", b"sshd-auth"])
@pytest.mark.parametrize("priority", [b"", b"<38>"])
def test_iso_stamps(process: bytes, priority: bytes) -> None:
    """High-precision stamps, as rsyslog writes them, carry year and zone, so nothing is resolved or assumed."""
    record = event(priority + b"2026-11-02T10:00:00.25+01:00 host " + process + b"[7]: " + FAILED, "sshd")
    assert isoformat(record.event.time) == "2026-11-02T09:00:00.250000Z"
    assert (record.event.flags, record.time_by_arrival) == ((), False)


def test_iso_stamp_without_zone() -> None:
    """An ISO stamp without a zone is read in the connector's and flagged."""
    record = event(
        b"2026-11-02T10:00:00 host sshd[7]: " + FAILED, "sshd", arrival("sshd", zone=ZoneInfo("Europe/Oslo"))
    )
    assert (isoformat(record.event.time), record.event.flags) == ("2026-11-02T09:00:00Z", ("zone_assumed",))


ENTRY: dict[str, Any] = {
    "__CURSOR": "s=1;i=2",
    "__REALTIME_TIMESTAMP": "1793613600123456",
    "SYSLOG_IDENTIFIER": "sshd-session",
    "_PID": "77",
    "_HOSTNAME": "h",
    "MESSAGE": FAILED.decode(),
}


@pytest.mark.parametrize("message", [FAILED.decode(), list(FAILED)])
def test_journal(message: Any) -> None:
    """A journal entry is an event under the id of its cursor, also where its text came as bytes."""
    login = event(json.dumps({**ENTRY, "MESSAGE": message}).encode(), "sshd").event
    assert (login.time, login.user.name, login.session_id) == (1_793_613_600_123_456, "root", "77")
    assert login.extra == {"host": "h"}
    assert login.event_id.startswith("journal-")


def test_overlapping_journals() -> None:
    """Two exports that overlap give the same ids for the same entries, wherever they stand."""
    entry = json.dumps(ENTRY).encode()
    other = json.dumps({**ENTRY, "__CURSOR": "s=1;i=1"}).encode()
    assert (
        event(entry, "sshd").event.event_id == events(read(other + b"\n" + entry, "sshd"))[1].event.event_id
    )


@pytest.mark.parametrize(
    "entry", [{**ENTRY, "SYSLOG_IDENTIFIER": "cron"}, {**ENTRY, "SYSLOG_IDENTIFIER": ["a"], "_COMM": "su"}]
)
def test_journal_of_others(entry: dict[str, Any]) -> None:
    """Journal entries of other processes are ignored."""
    assert one(json.dumps(entry).encode(), "sshd") == Ignored("not_sshd", 1)


def test_bytes_that_are_no_utf8() -> None:
    """User names in other encodings stay distinguishable."""
    names = {
        event(
            HEAD + b"Failed password for invalid user " + name + b" from ::1 port 1 ssh2", "sshd"
        ).event.user.name
        for name in (b"\xe9", b"\xe8")
    }
    assert names == {"\\xe9", "\\xe8"}


def test_clocks_that_disagree() -> None:
    """A stamp hours ahead of its arrival is this year's, clamped; its digest does not hang on that."""
    record = event(b"Nov 22 20:00:00 host sshd[7]: " + FAILED, "sshd")
    assert record.event.time == NOW
    assert record.event.flags == ("year_resolved", "zone_assumed", "time_clamped")
    later = event(b"Nov 22 20:00:00 host sshd[7]: " + FAILED, "sshd", arrival("sshd", NOW + DAY, UTC))
    assert later.digest == record.digest
