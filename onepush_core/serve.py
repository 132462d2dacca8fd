"""Serve a gateway: check everything that can be checked, then run gunicorn with gevent workers.

A bad start raises ConfigurationError before gunicorn runs; what only shows in the worker stops the master
with one line. On TERM each worker stops its gateway first and leaves at once when that is done, because
gunicorn alone would wait for every idle connection.
"""

from __future__ import annotations

import errno
import gc
import logging
import mmap
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import gevent
import structlog
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from onepush_core.errors import ConfigurationError, OnepushError
from onepush_core.gateway import Gateway
from onepush_core.http_worker import QUEUE, CountedRequests, HttpWorker
from onepush_core.settings_sources import listen_address

if TYPE_CHECKING:
    from onepush_core.settings import Settings

log = structlog.get_logger("onepush.serve")
PORT_PATIENCE = 1.5  # seconds: the worker of a killed master notices within one and lets go of the port
STOP_PATIENCE = 4.0  # seconds until a worker leaves, its gateway stopped or not
CLOSING = 1.0  # of these for the end of the gateway, whoever has not sent his request by then
BOOT_PAUSE = 1.0  # seconds until a worker that could not take another's place is followed by the next
BOOT_FAILURES = (Arbiter.WORKER_BOOT_ERROR, Arbiter.APP_LOAD_ERROR)


def serve(settings: Settings) -> None:
    """Run the gateway until TERM or INT; ends with SystemExit. Raises ConfigurationError for a bad start."""
    check_workers(settings)
    listener = open_listener(settings.server.bind)
    with Gateway.open(settings):
        pass
    master = os.getpid()
    try:
        Server(settings, listener.detach()).run()
    except SystemExit as end:
        # A worker is a fork and ends here too; the master reads its exit code, so only the master's changes.
        if os.getpid() == master and end.code in BOOT_FAILURES:
            raise SystemExit(1) from None
        raise


def check_workers(settings: Settings) -> None:
    """Refuse what SQLite cannot do."""
    if not settings.store.database.startswith("sqlite"):
        return
    if settings.server.workers > 1:
        raise ConfigurationError(
            "server.workers: SQLite serves one worker; several need a database and a bus that they share:"
            " --database postgresql://… --bus redis://…"
        )
    if settings.cluster.bus is not None:
        raise ConfigurationError(
            "cluster.bus: SQLite serves one worker; a bus wants --database postgresql://…"
        )


def open_listener(bind: str, patience: float = PORT_PATIENCE) -> socket.socket:
    """A listening TCP socket on HOST:PORT. Raises ConfigurationError."""
    host, port = listen_address(bind)
    deadline = time.monotonic() + patience
    while True:
        try:
            return _listen(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                raise ConfigurationError(f"server.bind: cannot listen on {bind}: {error.strerror}") from error
        time.sleep(0.1)


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it; gunicorn would set it too late for those that wait for it to start.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(QUEUE)
    except OSError:
        listener.close()
        raise
    return listener


class Server(BaseApplication):
    """gunicorn, configured from our settings, with one gateway in each worker."""

    def __init__(self, settings: Settings, listener: int) -> None:
        self.settings = settings
        self.listener = listener
        self.served = mmap.mmap(-1, 1)  # shared with the workers, which are forks
        self.gateway: Gateway
        self.requests: CountedRequests
        self.drain: gevent.Greenlet[..., None] | None = None
        super().__init__(prog="onepush")

    def load_config(self) -> None:
        """Give gunicorn its settings."""
        server = self.settings.server
        chosen: dict[str, Any] = {
            "bind": f"fd://{self.listener}",
            "workers": server.workers,
            "worker_class": HttpWorker,
            "worker_connections": server.worker_connections,
            "graceful_timeout": server.graceful_timeout,
            "keepalive": server.keepalive,
            "control_socket_disable": True,
            "logger_class": GunicornLogger,
            "post_worker_init": self.watch,
            "worker_int": self.finish,
            "worker_exit": lambda _arbiter, worker: self.finish(worker),
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Callable[..., Iterable[bytes]]:
        """In the worker: start the gateway; returns the WSGI callable."""
        try:
            return self._start_gateway()
        except Exception as error:  # whatever it is, it stops the start with one line
            if self.served[0]:
                self._try_later(error)
            print(f"onepush: {_reason(error)}", file=sys.stderr, flush=True)  # noqa: T201
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    @staticmethod
    def _try_later(error: Exception) -> NoReturn:
        """End a worker that replaces another, so that gunicorn starts the next: the others go on serving.

        It worked before, so what is wrong (the database is away) passes; a boot error would end them all.
        """
        log.error("worker_did_not_start", reason=_reason(error), again_in=BOOT_PAUSE)
        time.sleep(BOOT_PAUSE)
        sys.exit(1)

    def _start_gateway(self) -> Callable[..., Iterable[bytes]]:
        from onepush_core import api

        self.gateway = Gateway(self.settings)
        app = api.create_app(self.gateway)
        self.gateway.start(partial(api.mount, app))
        self.requests = CountedRequests(app)
        return self.requests

    def watch(self, worker: HttpWorker) -> None:
        """In the worker, when it serves: wait for the end beside the requests."""
        relieve_collector()
        self.served[0] = 1
        log.info("serving", address=self.settings.server.bind, worker=os.getpid())
        self.drain = gevent.spawn(self._drain, worker)

    def finish(self, worker: HttpWorker) -> None:
        """In the worker, before it exits: let the drain end, unless nobody asked for a stop."""
        if self.drain and not worker.alive:
            self.drain.join()

    def _drain(self, worker: HttpWorker) -> None:
        """Stop the gateway once gunicorn wants the worker to end, let requests finish, then leave."""
        while worker.alive:
            gevent.sleep(0.1)
        try:
            with gevent.Timeout(STOP_PATIENCE):
                self._stop(worker)
        except gevent.Timeout:
            log.warning("stop_took_too_long", seconds=STOP_PATIENCE)
        except OnepushError as error:  # what is not on record is offered again, by whoever comes next
            log.error("stop_failed", error=type(error).__name__)
        sys.exit(0)

    def _stop(self, worker: HttpWorker) -> None:
        patient_until = time.monotonic() + STOP_PATIENCE - CLOSING
        self.gateway.stop()
        worker.stop_listening()
        if not self.requests.finish(max(patient_until - time.monotonic(), CLOSING / 2)):
            log.warning("requests_cut_off")
        self.gateway.close()


def relieve_collector() -> None:
    """Let the garbage collector look seldom, and never again at what was there at the start.

    Accepted messages wait in memory by the thousand, and each of its looks goes through all of them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


class GunicornLogger(Logger):
    """gunicorn's log lines through our handler; what it says about a failed boot we have said already."""

    BOOT_LINES = ("Shutting down: %s", "Reason: %s")
    EXIT_LINE = "Worker (pid:%s) exited with code %s."
    REQUEST_LINE = "%s %s"

    def setup(self, cfg: Any) -> None:
        """Leave the handlers to the root logger, and gunicorn's chatter out."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        verbose = logging.getLogger().level <= logging.DEBUG
        self.error_log.setLevel(logging.DEBUG if verbose else logging.WARNING)

    def error(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log an error."""
        if msg in self.BOOT_LINES or (msg == self.EXIT_LINE and args[-1] in BOOT_FAILURES):
            return self.debug(msg, *args, **kwargs)
        super().error(msg, *args, **kwargs)

    def debug(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log chatter; but no request, whose path may hold a device id or the secret of a report address."""
        if msg != self.REQUEST_LINE:
            super().debug(msg, *args, **kwargs)


def _reason(error: Exception) -> str:
    lines = str(error).splitlines()
    if isinstance(error, ConfigurationError) and lines:
        return lines[0]
    return f"cannot start: {type(error).__name__}: {lines[0] if lines else ''}"
