"""Commands that work on the database itself, with or without a running gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from onepush_core.cli.settings import settings_from

if TYPE_CHECKING:
    from onepush_core.gateway import Gateway


@contextmanager
def open_gateway(options: dict[str, Any], lenient: bool = False) -> Iterator[Gateway]:
    """The gateway of a command's settings, its schema up to date. Raises ConfigurationError.

    ``lenient``: a required plugin that cannot take part is set aside like any other, for who wants to see it.
    """
    settings = settings_from(options)

    from onepush_core.gateway import Gateway
    from onepush_core.logs import configure_logs

    configure_logs(settings.log)
    with Gateway.open(settings, lenient=lenient) as gateway:
        yield gateway
