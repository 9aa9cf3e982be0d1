"""Requests that come at the same time share one durable append."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import NamedTuple

from gatewatch import metrics
from gatewatch.api.problems import retry
from gatewatch.ports import BadData, LogWriter
from gatewatch.tracing_ports import TracedLog, TracedRecord

Record = tuple[str, bytes]

#: Records and bytes from which on a group takes no further request.
GROUP_RECORDS = 1_000
GROUP_BYTES = 4 << 20
#: The most bytes that may wait; who comes then is told to come again.
MOST_WAITING = 64 << 20


class _Waiting(NamedTuple):
    records: Sequence[Record]
    size: int
    trace: str
    done: asyncio.Future[None]


class Appender:
    """Appends to the log in a thread of its own, one group after the other.

    A request waits for nobody while the log is idle; what comes during an append (one or two milliseconds) goes into
    the next. So a group forms by itself as soon as there is anything to gain by it.
    """

    def __init__(self, log: LogWriter, traced: TracedLog | None = None) -> None:
        self._log, self._traced = log, traced
        self._thread = ThreadPoolExecutor(1, "appender")
        self._waiting: list[_Waiting] = []
        self._size = 0
        self._task: asyncio.Task[None] | None = None

    async def append(self, records: Sequence[Record], trace: str = "") -> None:
        """Returns when the records are durable; they carry the trace where the log can.

        Raises `Unavailable` (nothing is promised then), `BadData`, or a `Problem` where too much waits already.
        """
        size = sum(len(key) + len(value) for key, value in records)
        if self._size and self._size + size > MOST_WAITING:
            raise retry("overloaded")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(records, size, trace, loop.create_future())
        self._waiting.append(waiting)
        self._size += size
        if self._task is None:
            self._task = loop.create_task(self._work())
        await waiting.done

    async def _work(self) -> None:
        try:
            while self._waiting:
                group = self._next()
                await self._store(group)
                self._size -= sum(waiting.size for waiting in group)
        finally:
            self._task = None

    def _next(self) -> list[_Waiting]:
        """The requests of the next append: at least one."""
        records = size = count = 0
        for waiting in self._waiting:
            records, size = records + len(waiting.records), size + waiting.size
            if count and (records > GROUP_RECORDS or size > GROUP_BYTES):
                break
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    def _append(self, group: list[_Waiting]) -> None:
        if self._traced is None:
            self._log.append([record for waiting in group for record in waiting.records])
            return
        self._traced.append_traced(
            [TracedRecord(*record, waiting.trace) for waiting in group for record in waiting.records]
        )

    async def _store(self, group: list[_Waiting]) -> None:
        began = monotonic()
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._append, group)
        except BadData as error:
            if len(group) == 1:
                _settle(group, error)
                return
            # One of them holds what the log refuses: each stands for itself, so that it harms no other.
            for waiting in group:
                await self._store([waiting])
            return
        except Exception as error:  # noqa: BLE001 - the boundary: whoever waits must hear of it, whatever it is
            _settle(group, error)
            return
        metrics.APPEND_SECONDS.observe(monotonic() - began)
        metrics.APPEND_REQUESTS.observe(len(group))
        _settle(group, None)

    def close(self) -> None:
        """Let the append under way end."""
        self._thread.shutdown()


def _settle(group: list[_Waiting], error: Exception | None) -> None:
    for waiting in group:
        if waiting.done.done():  # whoever waited is gone
            continue
        if error is None:
            waiting.done.set_result(None)
        else:
            waiting.done.set_exception(error)
