"""What is logged while a check runs, at the level ``debug`` and in the form in which a gateway logs it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from onepush_core.logs import configure_logs
from onepush_core.settings import LogSettings


@contextmanager
def capture_logs() -> Iterator[io.StringIO]:
    """The lines, as they come. Afterwards logging is as it was before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    before = structlog.get_config() if structlog.is_configured() else None
    lines = io.StringIO()
    configure_logs(LogSettings(level="debug"), lines)
    # A logger that was first used in here must not keep these settings.
    structlog.configure(cache_logger_on_first_use=False)
    try:
        yield lines
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
        if before is not None:
            structlog.configure(**before)
