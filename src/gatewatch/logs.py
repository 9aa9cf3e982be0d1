"""Structured logs on standard error: no user data beyond ids; for people on a terminal, JSON elsewhere.

The message of an exception may hold what was sent (PostgreSQL's repeat the value that it refuses), so its kind and the
places it came through are told, and its message only at the level debug. What libraries log passes through here too.
"""

import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType

import structlog

Logger = structlog.stdlib.BoundLogger
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def configure(level: str, service: str) -> None:
    """Set logging up for a process; `service` stands in every line."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            _of(service),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(whole if level == "debug" else story),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(handlers=[_Foreign()], level=logging.WARNING, force=True)


def _of(service: str) -> structlog.typing.Processor:
    """Adds the service, in whichever thread."""

    def add(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {"service": service, **event}

    return add


def last_words() -> None:
    """Have a mistake that ends the process, or one of its threads, told as everything else is."""

    def of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, Exception):
            get().critical("ended by a mistake", exc_info=(kind, error, trace))

    def of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            of_process(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook, threading.excepthook = of_process, of_thread


def get() -> Logger:
    """A logger."""
    logger: Logger = structlog.get_logger()
    return logger


def whole(exc_info: ExcInfo) -> str:
    """A traceback as Python prints it."""
    return "".join(traceback.format_exception(*exc_info)).rstrip()


def story(exc_info: ExcInfo) -> str:
    """A traceback without what the exceptions say: kinds and places, the first that was raised first."""
    return "\n".join(part.rstrip() for part in _told(exc_info[1], set()))


def _told(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    among = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for other in (*([before] if before is not None else []), *among):
        if id(other) not in seen:
            yield from _told(other, seen)
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}"


class _Foreign(logging.Handler):
    """Takes what libraries log. Only the first line: what follows in it may be somebody's data."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a library's record as ours."""
        said = record.getMessage().partition("\n")[0]
        get().log(record.levelno, said, logger=record.name, exc_info=record.exc_info)
