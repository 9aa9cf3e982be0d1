"""Write the tables of docs/reference/metrics.md from the list of metrics; a test holds the page to it.

python -m scripts.metrics_page
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

from gatewatch.metrics import EDGES, METRICS, READERS
from gatewatch.metrics.kinds import AnyMetric, Label, Service

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "metrics.md"

_TITLES: dict[tuple[Service, ...], str] = {
    ("detector",): "Detector",
    ("notifier",): "Notifier",
    ("api",): "API",
    ("connector",): "Connector",
    EDGES: "API and connector",
    READERS: "Detector and connector",
    get_args(Service): "Each process",
}

#: Between these the page is ours; what stands around them is written by hand.
_BEGIN, _END = "<!-- metrics -->\n", "<!-- end -->\n"


def page() -> str:
    """The page as it is, with the tables that the list gives."""
    before, _, rest = PAGE.read_text("utf-8").partition(_BEGIN)
    tables = "".join(_section(title, services) for services, title in _TITLES.items())
    return f"{before}{_BEGIN}{tables}\n{_END}{rest.partition(_END)[2]}"


def _section(title: str, services: tuple[Service, ...]) -> str:
    rows = [_row(metric) for metric in METRICS if metric.services == services]
    return "\n".join(
        [f"\n## {title}\n", "| metric | type | meaning | labels |", "|---|---|---|---|", *rows, ""]
    )


def _row(metric: AnyMetric) -> str:
    labels = "; ".join(map(_label, metric.labels))
    return f"| `{metric.name}` | {metric.kind} | {metric.meaning} | {labels} |"


def _label(label: Label) -> str:
    said = _listed(label.values)
    if label.open:
        said = f"{said}, and {label.open}" if said else label.open
    return f"`{label.name}`: {said}"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
