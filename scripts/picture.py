"""The picture of the README: the live view of a real demo, as SVG.

python -m scripts.picture [--seconds 45] [--out docs/images/demo.svg]
"""

import argparse
import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep

import msgspec
from rich.console import Console

from gatewatch import bootstrap
from gatewatch.bootstrap import EmbeddedPostgres
from gatewatch.cli.live import Snapshot, view
from gatewatch.cli.watching import LOOK, Watch
from gatewatch.ports import Unavailable
from gatewatch.read_ports import NotPrepared
from gatewatch.services.queries import Queries
from gatewatch.settings import Settings

WIDTH, HEIGHT = 120, 32
#: The longest that a demo may take to begin, in seconds.
PATIENCE = 180.0
#: Rich's export loads its font from a host of others; a picture in a repository must not.
FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a demo in a scratch folder, watch it, and draw what was seen last."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=45.0, help="how long the demo is watched")
    parser.add_argument("--out", type=Path, default=Path("docs/images/demo.svg"))
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="gatewatch-picture-") as folder:
        command = [sys.executable, "-m", "gatewatch", "--data-dir", folder, "demo"]
        demo = subprocess.Popen([*command, "--seconds", str(options.seconds + 15)], stdout=subprocess.DEVNULL)
        try:
            found = watch(Path(folder) / "demo", options.seconds)
        finally:
            demo.wait(PATIENCE)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(draw(found))
    print(f"{options.out}: {found.totals.events if found.totals else 0:,} events")
    return 0


def watch(folder: Path, seconds: float) -> Snapshot:
    """What the live view saw last, once it has seen `seconds` of life after the imported history."""
    asked = Queries(bootstrap.queries(lambda: EmbeddedPostgres(folder).conninfo, Settings().tenant))
    watching = Watch(asked, "demo")
    deadline = monotonic() + PATIENCE
    try:
        while True:
            with_life = _look(watching)
            if with_life:
                deadline = min(deadline, monotonic() + seconds)
            if monotonic() >= deadline:
                return watching.found
            sleep(LOOK)
    finally:
        asked.close()


def _look(watching: Watch) -> bool:
    """Look once; whether there is already life to see."""
    try:
        found = watching.look()
    except (Unavailable, NotPrepared, bootstrap.ServerError):
        return False
    return bool(found.anomalies) and found.pulse is not None


def draw(found: Snapshot) -> str:
    """The view as SVG, without the fonts that Rich would load from elsewhere."""
    console = Console(record=True, width=WIDTH, height=HEIGHT, file=io.StringIO(), force_terminal=True)
    found = msgspec.structs.replace(found, notice="")
    console.print(view(found, WIDTH, HEIGHT))
    return FONT_FACES.sub("", console.export_svg(title="gatewatch demo"))


if __name__ == "__main__":
    sys.exit(main())
