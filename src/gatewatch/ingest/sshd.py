"""`sshd`: OpenSSH's authentication log, as syslog wrote it or as `journalctl -o json` exports it.

An attempt is an `Accepted …` or a `Failed …` line, and nothing else is: `Invalid user` and PAM's lines tell of the same
attempt that sshd then reports with `Failed`, so counting them would count it twice. (sshd reports the first failed
keyboard-interactive tries of a known user at LogLevel VERBOSE only.) The line of a user name is read from its right
end, because whoever tries may put anything into it, " from 192.0.2.1 port 22 ssh2" included.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, ClassVar, NamedTuple

import msgspec

from gatewatch.core.events import Auth, Flag, LoginEvent, User
from gatewatch.ingest.contract import (
    Arrival,
    Framing,
    Ignored,
    IgnoreReason,
    Line,
    Refused,
    Result,
    generated_id,
    record,
    rejected,
    too_long,
)
from gatewatch.ingest.moments import moment, syslog_moment
from gatewatch.ingest.normalise import identifier, peer, port_number, short
from gatewatch.ingest.safejson import decode_value

#: The most repeats one line may stand for. sshd itself allows six tries per connection.
MAX_REPEATS = 10_000

#: OpenSSH split the daemon: 9.8 made sshd-session, 10 sshd-auth.
PROCESSES = frozenset({"sshd", "sshd-session", "sshd-auth"})

#: What sshd says beside attempts, by how it begins; the first that fits gives the reason.
CHATTER: tuple[tuple[str, IgnoreReason], ...] = (
    ("Invalid user ", "invalid_user_notice"),
    ("input_userauth_request: ", "invalid_user_notice"),
    ("Illegal user ", "invalid_user_notice"),
    ("pam_", "pam_detail"),
    ("PAM ", "pam_detail"),
    ("error: PAM: ", "pam_detail"),
    ("Postponed ", "partial_authentication"),
    ("Partial ", "partial_authentication"),
    ("error: maximum authentication attempts exceeded", "too_many_failures"),
    ("maximum authentication attempts exceeded", "too_many_failures"),
    ("Disconnecting", "connection"),
    ("Disconnected", "connection"),
    ("Connection ", "connection"),
    ("Received disconnect ", "connection"),
    ("Did not receive identification string", "connection"),
    ("Bad protocol version identification", "connection"),
    ("fatal: Unable to negotiate", "connection"),
    ("Unable to negotiate", "connection"),
    ("Starting session", "session"),
    ("Close session", "session"),
    ("User child is on pid ", "session"),
    ("Server listening on ", "server"),
    ("Received signal ", "server"),
)

_PRIORITY = re.compile(r"<\d{1,3}>")
_STAMP = re.compile(r"([A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d) ")
_ISO = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*) ")
_TAG = re.compile(r"([^\s:\[\]]+)(?:\[(\d{1,10})\])?: ?(.*)", re.DOTALL)
_REPEATED = re.compile(r"message repeated (\d+) times: \[ ?(.*)\]", re.DOTALL)
_ATTEMPT = re.compile(
    r"(Accepted|Failed) (\S+) for (invalid user |illegal user )?(.*) "
    r"from (\S+) port (\d{1,10})(?: (ssh\d?))?(?:: .*)?",
    re.DOTALL,
)


class Message(NamedTuple):
    """A line taken apart: its time as written or as journald's number, and what which process said."""

    stamp: str
    time: str | int | None
    process: str
    pid: str
    text: str
    host: str = ""
    cursor: str = ""


class SshdAdapter:
    """Reads `sshd` files; see the module."""

    framing: ClassVar[Framing] = "lines"
    envelope: ClassVar[tuple[str, ...]] = ()

    def __init__(self, identity: str) -> None:
        self._identity = identity

    def read(self, line: Line, arrival: Arrival) -> Sequence[Result]:
        """One event per attempt the line stands for; ignored with a reason if it stands for none."""
        if line.truncated_size:
            return [too_long(line, generated_id(self._identity, line.offset, 0, line.data), arrival)]
        data = line.data.rstrip()
        if not data:
            return [Ignored("blank", line.number)]
        try:
            message = _message(data)
            if message.process not in PROCESSES:
                return [Ignored("not_sshd", line.number)]
            repeats, text = _repeats(message.text)
            if not text.startswith(("Accepted ", "Failed ")):
                return [Ignored(_chatter(text), line.number)]
            return self._attempts(line, data, message, text, repeats, arrival)
        except Refused as refusal:
            return [rejected(refusal, generated_id(self._identity, line.offset, 0, data), data, arrival)]

    def _attempts(
        self, line: Line, data: bytes, message: Message, text: str, repeats: int, arrival: Arrival
    ) -> Sequence[Result]:
        event = _event(message, text, arrival)
        first = record(event, data, arrival, stamp=message.stamp)
        ids = (self._id(line, index, data, message) for index in range(repeats))
        replace = msgspec.structs.replace
        return [replace(first, event=replace(first.event, event_id=id)) for id in ids]

    def _id(self, line: Line, index: int, data: bytes, message: Message) -> str:
        if not message.cursor:
            return generated_id(self._identity, line.offset, index, data)
        # journald names each entry: so the overlap of two exports is the same events.
        return f"journal-{blake2b(message.cursor.encode(), digest_size=16).hexdigest()}-{index:04x}"


def _message(data: bytes) -> Message:
    if data[:1] == b"{":
        return _journal(decode_value(data))
    # sshd escapes what is not printable; bytes that are no UTF-8 all the same stay distinguishable.
    text = data.decode("utf-8", "backslashreplace")
    text = text[priority.end() :] if (priority := _PRIORITY.match(text)) else text
    if stamp := _STAMP.match(text):
        return _tagged(stamp[1], None, text[stamp.end() :])
    if iso := _ISO.match(text):
        return _tagged("", iso[1], text[iso.end() :])
    raise Refused("not_syslog", "The line does not begin with a syslog time stamp.")


def _tagged(stamp: str, time: str | None, rest: str) -> Message:
    host, _, said = rest.partition(" ")
    tag = _TAG.match(said)
    if tag is None:
        return Message(stamp, time, "", "", said)
    return Message(stamp, time, tag[1], tag[2] or "", tag[3], host)


def _journal(entry: Any) -> Message:
    if not isinstance(entry, dict):
        raise Refused("not_an_object", "The JSON is no object.")
    time = entry.get("_SOURCE_REALTIME_TIMESTAMP") or entry.get("__REALTIME_TIMESTAMP")
    if not (isinstance(time, str) and time.isascii() and time.isdecimal() and len(time) <= 20):
        raise Refused("no_time", "The journal entry has no __REALTIME_TIMESTAMP.")
    fields = ("SYSLOG_IDENTIFIER", "_COMM", "_PID", "SYSLOG_PID", "MESSAGE", "_HOSTNAME", "__CURSOR")
    process, command, pid, other_pid, text, host, cursor = (
        _journal_text(entry.get(field)) for field in fields
    )
    return Message("", int(time), process or command, pid or other_pid, text, host, cursor)


def _journal_text(value: Any) -> str:
    """A journal field: journald writes one that is not printable as a list of bytes, a repeated one as a list."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in value):
        return bytes(value).decode("utf-8", "backslashreplace")
    return ""


def _repeats(text: str) -> tuple[int, str]:
    repeated = _REPEATED.fullmatch(text)
    if repeated is None:
        return 1, text
    count = int(repeated[1]) if len(repeated[1]) <= 9 else MAX_REPEATS + 1
    if not 0 < count <= MAX_REPEATS:
        raise Refused(
            "bad_repeat", f"A message is repeated 1 to {MAX_REPEATS:,} times, not {repeated[1][:20]}."
        )
    return count, repeated[2]


def _chatter(text: str) -> IgnoreReason:
    for start, reason in CHATTER:
        if text.startswith(start):
            return reason
    return "sshd_other"


def _event(message: Message, text: str, arrival: Arrival) -> LoginEvent:
    attempt = _ATTEMPT.fullmatch(text)
    if attempt is None:
        raise Refused("bad_sshd_line", "The line of an attempt does not name user and address as sshd does.")
    verdict, method, invalid, user, source, port, protocol = attempt.groups()
    flags: list[Flag] = []
    time = _time(message, arrival, flags)
    src = peer(source)
    success = verdict == "Accepted"
    return LoginEvent(
        event_id="",
        tenant_id=arrival.tenant_id,
        time=time,
        source=arrival.source,
        outcome="success" if success else "failure",
        reason="" if success else ("invalid user" if invalid else f"failed {method[:64]}"),
        reason_class=None if success else ("unknown_user" if invalid else "bad_credentials"),
        user=User(name=identifier(user, flags, "user_truncated")),
        ip=src.ip,
        port=port_number(int(port)),
        hostname=src.hostname,
        session_id=message.pid[:20],
        auth=Auth(method=short(method, flags), protocol=protocol or "ssh2"),
        flags=tuple(flags),
        extra={"host": short(message.host, flags)} if message.host else {},
    )


def _time(message: Message, arrival: Arrival, flags: list[Flag]) -> int:
    if message.stamp:
        flags += ("year_resolved", "zone_assumed")
        return syslog_moment(message.stamp, arrival.received, arrival.zone)
    if message.time is None:
        raise Refused("bad_time", "The line has no time.")
    time, zone_assumed = moment(message.time, arrival.zone)
    if zone_assumed:
        flags.append("zone_assumed")
    return time
