"""What sending to a Gatewatch elsewhere needs from the world."""

from typing import NamedTuple, Protocol


class Answer(NamedTuple):
    """What a server answered; `retry_after` in seconds, None where it names none."""

    status: int
    retry_after: float | None
    body: bytes


class EventsEndpoint(Protocol):
    """`POST /v1/events` of a Gatewatch elsewhere."""

    def post(self, body: bytes, key: str) -> Answer:
        """Send lines of native events under an idempotency key. Raises `ports.Unavailable` where no answer came."""
        ...
