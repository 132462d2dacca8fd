"""Requests that a worker counts, and what it waits for before it ends kept connections."""

from __future__ import annotations

import socket
import time

import gevent
import pytest

from onepush_core.http_worker import KEPT_PATIENCE, KEPT_QUIET, CountedRequests


@pytest.fixture
def requests():
    return CountedRequests(lambda _environ, _start_response: [])


@pytest.fixture
def kept():
    """A connection."""
    with socket.socket() as connection:
        yield connection


def ask(requests, connection, times):
    """So many requests, one soon after the other."""
    for _ in range(times):
        requests({"gunicorn.socket": connection}, None)
        gevent.sleep(KEPT_QUIET / 4)


def test_requests_on_kept_connections_are_waited_for(requests, kept):
    """As long as they come, and a moment longer."""
    asking = gevent.spawn(ask, requests, kept, 8)
    gevent.sleep(KEPT_QUIET / 3)
    requests.wait_for_kept()
    assert asking.ready()


def test_endless_requests_are_waited_for_with_patience(requests, kept):
    """A stop comes to an end."""
    asking = gevent.spawn(ask, requests, kept, 1000)
    gevent.sleep(KEPT_QUIET / 3)
    began = time.monotonic()
    requests.wait_for_kept()
    assert time.monotonic() - began >= KEPT_PATIENCE
    asking.kill()


def test_new_connections_are_not_waited_for(requests, kept):
    """One request each: nobody comes again."""
    ask(requests, kept, 1)
    began = time.monotonic()
    requests.wait_for_kept()
    assert time.monotonic() - began < KEPT_QUIET
