"""Writes the picture of the README: the live view of a demo that runs, as an SVG.

Start `gatewatch demo`, wait a while, then: `python scripts/demo_picture.py DATA_DIR/demo docs/images/demo.svg`.
"""

import sys
import time
from io import StringIO
from pathlib import Path

from rich.console import Console

from gatewatch import bootstrap
from gatewatch.cli.attendance import current
from gatewatch.cli.live import view
from gatewatch.cli.watching import Watch
from gatewatch.services.queries import Queries
from gatewatch.settings import Settings

WIDTH, HEIGHT = 120, 30
#: Looks, half a second apart, that fill the sparkline.
LOOKS = 80


def main(data_dir: str, target: str) -> None:
    """Look for a while, then draw the last look."""
    settings = Settings(data_dir=data_dir)
    asked = Queries(bootstrap.queries(lambda: current(settings), settings.tenant))
    watch = Watch(asked, "demo")
    for _ in range(LOOKS):
        watch.look()
        time.sleep(0.5)
    console = Console(record=True, width=WIDTH, height=HEIGHT, file=StringIO(), force_terminal=True)
    console.print(view(watch.found, WIDTH, HEIGHT))
    asked.close()
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    console.save_svg(target, title="gatewatch demo")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
