"""The same server, Falcon app and request checks as ``onepush serve``, without anything that stores or sends.

The baseline of accept.py: what is left when a send costs nothing but its HTTP call.
"""

from gevent import monkey

monkey.patch_all()

from collections.abc import Callable, Iterable
from typing import Any, cast

import click

from onepush_core.api import create_app
from onepush_core.cli.settings import settings_from, settings_options
from onepush_core.clock import Clock
from onepush_core.gateway import Gateway
from onepush_core.ids import MessageIds
from onepush_core.logs import configure_logs
from onepush_core.metrics import Metrics
from onepush_core.objects import App, Draft
from onepush_core.serve import CountedRequests, Server, open_listener
from onepush_core.settings import Settings


class Nothing:
    """What the API wants of a gateway: knows one app, believes everybody, gives ids away."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = Clock()
        self.metrics = Metrics()
        self._app = App(1, "bench", "bench")
        self._ids = MessageIds()

    def create_app(self, name: str) -> dict[str, str]:
        """Say that it is there."""
        return {"appId": self._app.id, "name": name, "appKey": "bench"}

    def authenticate(self, _app_id: str, _secret: str) -> App:
        """The one app."""
        return self._app

    def send(
        self, _app: App, _draft: Draft, _idempotency: tuple[str, bytes] | None = None
    ) -> tuple[str, bool]:
        """A new id."""
        return self._ids.new(self.clock.now()), False

    def plugin_states(self) -> list[Any]:
        """None."""
        return []

    def do_nothing(self) -> None:
        """There is nothing to be done."""

    warning = None
    probe_commit = probe_dispatch = probe_cluster = stop = close = do_nothing


class ServerWithoutStore(Server):
    """gunicorn, run in the same way."""

    def load(self) -> Callable[..., Iterable[bytes]]:
        """In the worker: the WSGI callable."""
        self.gateway = cast(Gateway, Nothing(self.settings))
        self.requests = CountedRequests(create_app(self.gateway))
        return self.requests


@click.command()
@settings_options()
def main(**options: Any) -> None:
    """Take the options of ``onepush serve``; the database is not opened."""
    settings = settings_from(options)
    configure_logs(settings.log)
    ServerWithoutStore(settings, open_listener(settings.server.bind).detach()).run()


if __name__ == "__main__":
    main()
