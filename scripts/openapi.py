"""Write the OpenAPI document of the whole API, from which the web app's client is generated.

python scripts/openapi.py FILE
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from gatewatch.api.app import describe


def main(argv: Sequence[str]) -> int:
    """Write the document to the file that is named."""
    Path(argv[0]).write_bytes(describe())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
