"""Child processes: started, and stopped on every way out."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

STOP_PATIENCE = 12.0  # seconds: more than the gateway's own graceful timeout
Process = subprocess.Popen[bytes]
PR_SET_PDEATHSIG = 1  # prctl(2)


@contextmanager
def child(command: Sequence[str], environ: Mapping[str, str], stdout: int | None = None) -> Iterator[Process]:
    """A process in a group of its own, which ends with this block: Ctrl-C is for the demo alone."""
    process = subprocess.Popen(
        command, env=environ, stdout=stdout, start_new_session=True, preexec_fn=_end_with_parent
    )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: Process) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_PATIENCE)
    except (subprocess.TimeoutExpired, SystemExit):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end_with_parent() -> None:
    """Have the kernel stop the child when the demo is killed in a way it cannot act on."""
    libc: Any = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
