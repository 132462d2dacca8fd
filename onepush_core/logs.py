"""Logging: structlog for us, the standard library's records of others through the same door, to stderr.

Query strings are cut from every line: an address can carry a device id.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
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


def frames_of(error: BaseException) -> list[str]:
    """Where an error came from. Its text stays out of the log: it may quote what was being worked on."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def name_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the type and the frames of an exception in place of its traceback."""
    told = event.pop("exc_info", None)
    error = sys.exc_info()[1] if told is True else told[1] if isinstance(told, tuple) else told
    if isinstance(error, BaseException):
        event.setdefault("error", type(error).__name__)
        event["frames"] = frames_of(error)
    return event


def cut_query_strings(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Cut what follows a ``?`` from the event."""
    if isinstance(event.get("event"), str):
        event["event"] = QUERY_STRING.sub("?…", event["event"])
    return event


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_exception,
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
