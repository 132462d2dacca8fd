"""``onepush serve`` as a child, and the wait until it is ready."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager

import requests

from onepush_demo.children import Process, child
from onepush_demo.cli import ONEPUSH, DemoFailed

READY_PATIENCE = 20.0  # seconds
QUIET = {"ONEPUSH_LOG_FORMAT": "console", "ONEPUSH_LOG_LEVEL": "warning"}


def check_address(bind: str) -> None:
    """Raise DemoFailed when somebody listens there already: the journey would be played to them."""
    host, _, port = bind.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=1):
            pass
    except (OSError, ValueError, OverflowError):
        return
    raise DemoFailed(f"cannot listen on {bind}: the port is taken; ONEPUSH_BIND=HOST:PORT chooses another")


def gateway_process(bind: str, database: str, environ: Mapping[str, str]) -> AbstractContextManager[Process]:
    """A gateway, for the time of a ``with`` block."""
    return child([*ONEPUSH, "serve", "--bind", bind, "--database", database], {**QUIET, **environ})


def await_ready(process: Process, url: str, session: requests.Session) -> None:
    """Wait until the gateway is ready. Raises DemoFailed if it ends or takes too long."""
    deadline = time.monotonic() + READY_PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            # It has said on stderr why.
            raise SystemExit(1)
        if _is_ready(url, session):
            return
        time.sleep(0.05)
    raise DemoFailed("the gateway did not become ready")


def _is_ready(url: str, session: requests.Session) -> bool:
    try:
        return session.get(f"{url}/health/ready", timeout=3).ok
    except requests.RequestException:
        return False
