"""The ``onepush`` command. gevent patches first: what is imported before keeps the unpatched parts."""

from gevent import monkey

monkey.patch_all()

import signal
import sys
from types import FrameType

from onepush_core.cli import main as commands

INTERRUPTED = 130
"""What shells make of a command that Ctrl-C has ended."""


def main() -> None:
    """Run a command; Ctrl-C ends it quietly. Some commands take signals over."""
    signal.signal(signal.SIGINT, _interrupt)
    commands()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SystemExit, because gevent prints a traceback for KeyboardInterrupt."""
    sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
