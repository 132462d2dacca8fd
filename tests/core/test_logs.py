"""Logging: one line an event, in JSON, ours and other libraries', without query strings."""

import json
import subprocess
import sys

PROGRAM = """
import logging, structlog
from onepush_core.logs import configure_logs
from onepush_core.settings import LogSettings
configure_logs(LogSettings(level={level!r}))
structlog.get_logger("ours").info("took", count=2)
logging.getLogger("theirs").warning("GET %s", "/msgpush.ws?deviceId=s3cret HTTP/1.1")
try:
    raise ValueError("GET /x?deviceId=s3cret")
except ValueError:
    logging.getLogger("theirs").exception("failed")
logging.getLogger("urllib3").info("chatter")
"""


def log_lines(level):
    """What a process of its own logs at this level; logging is set up once per process."""
    command = [sys.executable, "-c", PROGRAM.format(level=level)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "s3cret" not in done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_logs_are_json_lines_without_query_strings():
    """Ours and theirs have event, level, logger and time; query strings and texts of errors are not there."""
    ours, theirs, failed = log_lines("info")
    assert (ours["event"], ours["count"], ours["logger"], ours["level"]) == ("took", 2, "ours", "info")
    assert theirs["event"] == "GET /msgpush.ws?… HTTP/1.1"
    assert failed["error"] == "ValueError"
    assert failed["frames"]
    assert all(line["timestamp"].endswith("Z") for line in (ours, theirs, failed))


def test_log_level_hides_lesser_lines():
    """At level error only the failure is left."""
    assert [line["event"] for line in log_lines("error")] == ["failed"]
