"""Spans kept in memory."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gatewatch.tracing_ports import Kind


class Told(msgspec.Struct):
    """A span as it was begun, and how it ended."""

    name: str
    kind: Kind
    parent: str
    links: list[str]
    trace: str
    since: int | None
    error: BaseException | None = None
    attributes: dict[str, str | int] | None = None

    def end(self, error: BaseException | None = None, **attributes: str | int) -> None:
        """See `tracing_ports.Span`."""
        assert self.attributes is None, "a span ends once"
        self.error, self.attributes = error, attributes


class Recorder:
    """See `tracing_ports.Tracing`."""

    def __init__(self) -> None:
        self.spans: list[Told] = []

    def begin(
        self, name: str, kind: Kind, parent: str = "", links: Sequence[str] = (), since: int | None = None
    ) -> Told:
        """Begin a span."""
        found = Told(name, kind, parent, [*links], f"00-span-{len(self.spans)}-01", since)
        self.spans.append(found)
        return found

    def named(self, name: str) -> list[Told]:
        """The spans of a name."""
        return [span for span in self.spans if span.name == name]
