"""Capturing logs for a check: what a gateway would log, and no trace of it afterwards."""

from __future__ import annotations

import logging

import structlog

from onepush_core.testing.conformance.captured_logs import capture_logs

log = structlog.get_logger("tests.capturing")


def test_capture_has_all_lines():
    """Ours and the standard library's, from the level debug on, in the form of a gateway's log."""
    with capture_logs() as lines:
        log.debug("ours", number=1)
        logging.getLogger("theirs").debug("GET /x?deviceId=secret")
    told = lines.getvalue()
    assert '"number": 1, "event": "ours"' in told
    assert "GET /x?…" in told


def test_capture_leaves_logging_as_it_was(capsys):
    """Handlers, level, and loggers that were first used meanwhile."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, structlog.is_configured()
    with capture_logs():
        log.info("inside")
    assert (root.handlers[:], root.level, structlog.is_configured()) == before
    log.info("outside")
    assert "outside" in capsys.readouterr().out
