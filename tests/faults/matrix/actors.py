"""The processes of the matrix: `python -m tests.faults.matrix.actors ROLE NAME CONFIG [POINT NTH]`.

They are those of the fault test, which say who they are and what they read, and die at a point if they are told to.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from gatewatch import bootstrap
from gatewatch.adapters.postgres.leases import Leases
from gatewatch.ports import Batch
from gatewatch.services.batches import BatchMaker
from tests.faults import actors
from tests.faults.actors import Config
from tests.faults.matrix import points


def member_file(folder: Path, name: str) -> Path:
    """Where a detector says as whom it owns partitions."""
    return folder / f"{name}.member"


def read_file(folder: Path, name: str) -> Path:
    """Where a detector says what it made batches of: lines of time, partition, first offset, offset after the last."""
    return folder / f"{name}.read"


def _introduce(folder: Path, name: str) -> None:
    """Have whoever holds leases say who it is, and whoever makes batches say of what."""

    class Introduced(Leases):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            member_file(folder, name).write_text(self.member)

    original = BatchMaker.make
    file = os.open(read_file(folder, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def told(self: BatchMaker, partition: Any, *args: Any) -> Batch:
        first, batch = partition.claim.next_offset, original(self, partition, *args)
        line = f"{time.monotonic()} {batch.claim.part} {first} {batch.next_offset}\n"
        os.write(file, line.encode())
        return batch

    for holder, attribute, new in ((bootstrap, "Leases", Introduced), (BatchMaker, "make", told)):
        setattr(holder, attribute, new)


def main(role: str, name: str, config: Path, *dies: str) -> None:
    """Be one of the processes."""
    told = msgspec.json.decode(config.read_bytes(), type=Config)
    if role == "detector":
        _introduce(Path(told.folder), name)
    if dies:
        points.arm(dies[0], int(dies[1]))
    actors.main(role, name, told)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
