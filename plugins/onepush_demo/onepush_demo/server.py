"""``onepush serve`` as a child: started, awaited, and stopped on every way out."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
import requests

READY_PATIENCE = 20.0  # seconds
STOP_PATIENCE = 12.0  # seconds: more than the gateway's own graceful timeout
Process = subprocess.Popen[bytes]
PR_SET_PDEATHSIG = 1  # prctl(2)


@contextmanager
def gateway_process(bind: str, database: str, environ: Mapping[str, str]) -> Iterator[Process]:
    """A gateway in a process group of its own, which ends with this block."""
    command = [sys.executable, "-m", "onepush_core", "serve", "--bind", bind, "--database", database]
    quiet = {"ONEPUSH_LOG_FORMAT": "console", "ONEPUSH_LOG_LEVEL": "warning"}
    process = subprocess.Popen(
        command, env=quiet | dict(environ), start_new_session=True, preexec_fn=_end_with_parent
    )
    try:
        yield process
    finally:
        _stop(process)


def await_ready(process: Process, url: str, session: requests.Session) -> None:
    """Wait until the gateway is ready. Raises click.ClickException if it ends or takes too long."""
    deadline = time.monotonic() + READY_PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            # It has said on stderr why.
            raise SystemExit(1)
        if _is_ready(url, session):
            return
        time.sleep(0.05)
    raise click.ClickException("the gateway did not become ready")


def _is_ready(url: str, session: requests.Session) -> bool:
    try:
        return session.get(f"{url}/health/ready", timeout=3).ok
    except requests.RequestException:
        return False


def _stop(process: Process) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_PATIENCE)
    except (subprocess.TimeoutExpired, SystemExit):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end_with_parent() -> None:
    """Have the kernel stop the gateway when the demo is killed in a way it cannot act on."""
    libc: Any = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
