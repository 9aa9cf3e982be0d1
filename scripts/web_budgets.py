"""Report how the web app stands against its budgets: components of at most 200 lines, a first load of 500 kB.

    python scripts/web_budgets.py [FOLDER]      the folder holds web/ and the built app; by default the checkout

The first load of a page is what a browser fetches before it shows it: entry and page with all that they import,
styles, and the font's Latin part, as they are sent (gzip).
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.budgets import Finding

COMPONENT_MAX, FIRST_LOAD_MAX = 200, 500
ENTRY, FONT = "index.html", "inter-latin-wght-normal"

Manifest = Mapping[str, Mapping[str, Any]]


def components(root: Path) -> Finding:
    """Measure every component."""
    lines = {
        path: len(path.read_text("utf-8").splitlines()) for path in (root / "web" / "src").rglob("*.vue")
    }
    long = tuple(f"{path.relative_to(root)}: {n} lines" for path, n in lines.items() if n > COMPONENT_MAX)
    longest = max(lines.values(), default=0)
    return Finding(
        "component lines, longest", str(longest), f"<= {COMPONENT_MAX}", kept=not long, offenders=long
    )


def loaded(manifest: Manifest, start: str) -> set[str]:
    """Every file that a module needs before it runs."""
    seen, todo = set[str](), [start]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(manifest[name].get("imports", []))
    return {file for name in seen for file in (manifest[name]["file"], *manifest[name].get("css", []))}


def first_load_sizes(root: Path) -> dict[str, float]:
    """The first load of every page of a built app, in kB."""
    built = root / "src" / "gatewatch" / "api" / "static"
    manifest: Manifest = json.loads((built / ".vite" / "manifest.json").read_text("utf-8"))
    common = loaded(manifest, ENTRY)
    common |= {f"assets/{path.name}" for path in (built / "assets").glob(f"{FONT}*")}
    return {
        page: sum(len(gzip.compress((built / file).read_bytes())) for file in common | loaded(manifest, page))
        / 1000
        for page in manifest
        if page.startswith("src/pages/")
    }


def first_loads(root: Path) -> Finding:
    """Measure the first load of every page of a built app, in kB."""
    sizes = first_load_sizes(root)
    over = tuple(f"{page}: {size:.0f} kB" for page, size in sorted(sizes.items()) if size > FIRST_LOAD_MAX)
    most = max(sizes.values(), default=0.0)
    return Finding(
        "first load, largest (kB gzip)", f"{most:.0f}", f"<= {FIRST_LOAD_MAX}", kept=not over, offenders=over
    )


def main(argv: Sequence[str]) -> int:
    """Print the report of a folder."""
    root = Path(argv[0]).resolve() if argv else Path(__file__).resolve().parents[1]
    print(components(root).render())
    print(first_loads(root).render())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
