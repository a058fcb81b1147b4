"""Structured logs on standard error: a JSON line an event, or readable lines on a terminal.

Logged are item ids, counts, times and names; never sources, outputs, tokens or messages of exceptions that
an item may have shaped.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import traceback
from collections.abc import Callable
from typing import Literal, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

Logger = FilteringBoundLogger


def configure(level: str, log_format: Literal["json", "console"] | None) -> Logger:
    """Set logging up for this process and return the logger to pass around."""
    if log_format is None:
        log_format = "console" if sys.stderr.isatty() else "json"
    processors: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if log_format == "json":
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        processors += [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _StandardError())),
        cache_logger_on_first_use=False,
    )
    log: Logger = structlog.get_logger().bind()
    # gRPC and asyncio log by the standard library: the same lines, warnings and above.
    root = logging.getLogger()
    root.handlers[:] = [_Forward(log)]
    root.setLevel(logging.WARNING)
    return log


class _StandardError:
    """Standard error, whose reader may be gone (a client that was killed): a log that nobody reads must not keep
    the server from ending in order."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


class _Forward(logging.Handler):
    def __init__(self, log: Logger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        extra = {"error": where(record.exc_info[1])} if record.exc_info and record.exc_info[1] else {}
        self._log.log(record.levelno, record.getMessage()[:2000], logger=record.name, **extra)


def where(error: BaseException) -> str:
    """An exception's type and the lines it passed, without its message, which may quote a candidate."""
    lines = traceback.format_tb(error.__traceback__)
    return f"{type(error).__name__}\n{''.join(lines)}".rstrip()


class RateLimit:
    """Lets `burst` events pass each `seconds`, and counts those it held back."""

    def __init__(
        self, burst: int = 20, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst = burst
        self._seconds = seconds
        self._clock = clock
        self._since = clock()
        self._passed = 0
        self._held_back = 0

    def passes(self) -> bool:
        """True if this event may be logged."""
        now = self._clock()
        if now - self._since >= self._seconds:
            self._since, self._passed = now, 0
        if self._passed < self._burst:
            self._passed += 1
            return True
        self._held_back += 1
        return False

    def take_held_back(self) -> int:
        """How many were held back since the last call."""
        count, self._held_back = self._held_back, 0
        return count
