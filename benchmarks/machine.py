"""The machine that figures were measured on, and a yardstick for its Python."""

import os
import platform
from pathlib import Path
from statistics import median
from time import process_time_ns

import msgspec

from benchmarks.figures import Machine
from gatewatch import runtime


class _Sample(msgspec.Struct, array_like=True):
    name: str
    counts: dict[str, int]


def describe(postgres: str, fsync: str, yardstick: float) -> Machine:
    """The machine as it is now; `postgres` and `fsync` come from the server that was measured, "" without one."""
    return Machine(
        _cpu(),
        os.cpu_count() or 1,
        platform.python_version(),
        postgres,
        fsync,
        os.getloadavg()[0],
        yardstick,
        runtime.core(),
    )


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text("utf-8").splitlines() if info.exists() else ():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def yardstick(repeats: int = 5) -> float:
    """The median µs of a fixed piece of Python of the kind we are made of: dicts, arithmetic, msgspec."""
    return median(_once() for _ in range(repeats))


def _once(rounds: int = 20_000) -> float:
    encode = msgspec.msgpack.Encoder().encode
    decode = msgspec.msgpack.Decoder(_Sample).decode
    counts: dict[str, int] = {}
    start = process_time_ns()
    for i in range(rounds):
        name = f"name-{i % 50}"
        counts[name] = counts.get(name, 0) + i * 7 % 13
        if i % 10 == 0:
            decode(encode(_Sample(name, counts)))
    return (process_time_ns() - start) / rounds / 1000
