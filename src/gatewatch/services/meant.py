"""Whom people mean: a name in any case, the id of a user without a name, or a source, as it is stored."""

from __future__ import annotations

from gatewatch.core.keys import user_key
from gatewatch.read_ports import AnomalyFilter, EventFilter, QueryStore


def user_meant(store: QueryStore, text: str) -> str:
    """The key of a user: the text as it is where somebody is known by it, else as a name."""
    exact, folded = text.strip(), user_key(text, "", "")
    if exact in ("", folded) or "\0" in exact:
        return folded
    known = store.profile(exact) is not None or store.events(EventFilter(user=exact), 1)
    return exact if known else folded


def subject_meant(store: QueryStore, text: str, kind: str = "") -> str:
    """The subject of anomalies, of any kind or of one: the text as it is where there are some of it, else folded."""
    exact, folded = text.strip(), text.strip().casefold()
    if exact == folded or "\0" in exact:
        return folded
    known = store.anomalies(AnomalyFilter(subject_kind=kind or None, subject=exact), 1)
    return exact if known else folded
