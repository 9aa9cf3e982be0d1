"""Structured logs on standard error: no user data beyond ids; for people on a terminal, JSON elsewhere."""

import logging
import sys

import structlog

Logger = structlog.stdlib.BoundLogger


def configure(level: str, service: str) -> None:
    """Set logging up for a process; `service` stands in every line."""
    renderer: structlog.typing.Processor = (
        # Tracebacks are plain: pretty ones show local variables, and with them what was logged in with.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(service=service)


def get() -> Logger:
    """A logger."""
    logger: Logger = structlog.get_logger()
    return logger
