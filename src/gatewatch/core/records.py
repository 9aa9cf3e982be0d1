"""What lies on the log: an event, a control record, or what an edge could not read.

Everything an edge takes in becomes one of these and is durable before it is acknowledged; the owner of the
partition stores each exactly once. A record that is JSON instead is a native event of a foreign producer.
"""

from hashlib import blake2b
from typing import Literal

import msgspec

from gatewatch.core.events import LoginEvent

#: The most of a rejected record that is kept in its dead letter, in bytes; its size and SHA-256 are kept as well.
MAX_DEAD_LETTER = 65_536


class EventRecord(msgspec.Struct, frozen=True, tag="event", tag_field="k", gc=False):
    """A login event with its bytes as received.

    `digest` identifies the content before clamping, year resolution and enrichment, so that a repeat is told from
    a conflict. `received` is when the edge took it (µs). `time_by_arrival` says that the time hangs on that moment
    (clamped, year resolved): a repeat may then lie in any time partition. `origin` names the import it came with.
    """

    event: LoginEvent
    raw: bytes
    digest: bytes
    received: int
    time_by_arrival: bool = False
    origin: str = ""

    @property
    def key(self) -> str:
        """The log's key, `tenant:user`."""
        return f"{self.event.tenant_id}:{self.event.user_key}"

    @property
    def tenant_id(self) -> str:
        """The event's tenant."""
        return self.event.tenant_id


class RejectRecord(msgspec.Struct, frozen=True, tag="reject", tag_field="k", gc=False):
    """What an edge could not turn into an event; it becomes a dead letter under `id` (deterministic).

    `reason` is a stable code, `detail` one plain sentence, `raw` at most `MAX_DEAD_LETTER` bytes of `size`.
    """

    id: str
    tenant_id: str
    source: str
    reason: str
    detail: str
    raw: bytes
    size: int
    sha256: str
    received: int
    origin: str = ""

    @property
    def key(self) -> str:
        """Dead letters have no user; they spread by their own id."""
        return f"{self.tenant_id}:@dead:{self.id}"


ControlKind = Literal["verdict", "challenge", "doubt", "erasure"]
Verdict = Literal["compromised", "safe", "dismissed", "passed", "failed", "abandoned", ""]


class ControlRecord(msgspec.Struct, frozen=True, tag="control", tag_field="k", gc=False):
    """Something people or findings say about a user's login; processed in order by the owner of that user.

    `event_id` and `event_time` name the login it is about; `verdict` what was said of it; `finding` and `evidence`
    (JSON object) are for a doubt: the finding on a source that this success belongs to.
    """

    id: str
    tenant_id: str
    user_key: str
    kind: ControlKind
    time: int
    event_id: str = ""
    event_time: int = 0
    verdict: Verdict = ""
    finding: str = ""
    evidence: bytes = b"{}"
    received: int = 0
    origin: str = ""

    @property
    def key(self) -> str:
        """The log's key, `tenant:user`."""
        return f"{self.tenant_id}:{self.user_key}"


Record = EventRecord | RejectRecord | ControlRecord

_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(
    EventRecord | RejectRecord | ControlRecord
)
#: A record as it lies on the log (MessagePack).
encode = msgspec.msgpack.Encoder().encode
#: The record of a log value. Raises `msgspec.DecodeError` (its `ValidationError` included) where it is none.
decode = _decoder.decode


def content_digest(*parts: str | bytes) -> bytes:
    """16 bytes that identify content: BLAKE2b over the parts, each with its length before it."""
    digest = blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.digest()
