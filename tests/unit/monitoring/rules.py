"""The alerts as they stand in their file."""

from pathlib import Path
from typing import Any

import msgspec

from tests.support.servers import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"


def load(path: Path) -> Any:
    """A YAML file."""
    return msgspec.yaml.decode(path.read_bytes())


ALERTS: dict[str, Any] = {
    rule["alert"]: rule for group in load(PROMETHEUS / "alerts.yml")["groups"] for rule in group["rules"]
}
