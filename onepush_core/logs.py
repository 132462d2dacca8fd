"""Logging: structlog for us, the standard library's records of others through the same door, to stderr.

Query strings are cut from every line: an address can carry a device id.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

if TYPE_CHECKING:
    from onepush_core.settings import LogSettings

QUERY_STRING = re.compile(r"\?[^\s'\"]*")
NOISY_LIBRARIES = ("urllib3", "peewee")


def configure_logs(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Send every log line of the process to ``stream`` (stderr), as the settings say."""
    structlog.configure(
        processors=[*_shared_processors(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(settings.format))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in NOISY_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


def cut_query_strings(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Cut what follows a ``?`` from the event and from a traceback."""
    for key in ("event", "exception"):
        if isinstance(event.get(key), str):
            event[key] = QUERY_STRING.sub("?…", event[key])
    return event


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        cut_query_strings,
    ]


def _formatter(style: str) -> logging.Formatter:
    renderer: Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if style == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared_processors(),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
