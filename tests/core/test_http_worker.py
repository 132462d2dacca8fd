"""Requests that a worker counts, what it waits for before it ends kept connections, and that it ends them."""

from __future__ import annotations

import socket
import time

import gevent
import pytest
from gevent.event import Event

from inside_gateway import PATIENCE
from onepush_core.http_worker import ENDING, KEPT_PATIENCE, KEPT_QUIET, CountedRequests


def answer(environ, _start_response):
    """At once, or when the request's event is set."""
    if "until" in environ:
        environ["until"].wait(PATIENCE)
    return []


@pytest.fixture
def requests():
    return CountedRequests(answer)


@pytest.fixture
def kept():
    """A connection."""
    with socket.socket() as connection:
        yield connection


@pytest.fixture
def idle(requests):
    """A connection that has had an answer, and the client's end of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(PATIENCE)
        requests({"gunicorn.socket": ours}, None)
        yield ours, theirs


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


def test_idle_connections_are_ended_before_time_is_up(requests, kept, idle):
    """Though requests come on others all the time: their stream may last longer than there is time."""
    asking = gevent.spawn(ask, requests, kept, 1000)
    gevent.sleep(KEPT_QUIET / 3)
    began = time.monotonic()
    assert requests.finish(3 * ENDING)
    assert KEPT_QUIET < time.monotonic() - began < KEPT_PATIENCE
    assert idle[1].recv(1) == b""
    asking.kill()


def test_idle_connections_are_ended_beside_a_request_that_hangs(requests, kept, idle):
    """It is cut off when time is up; the others are told before."""
    hanging = gevent.spawn(requests, {"gunicorn.socket": kept, "until": Event()}, None)
    gevent.sleep(0)
    assert not requests.finish(2 * ENDING)
    assert idle[1].recv(1) == b""
    hanging.kill()


def test_connections_are_left_open_on_which_something_has_come(requests, idle):
    """It will be read and answered."""
    ours, theirs = idle
    theirs.sendall(b"GET")
    assert requests.finish(2 * ENDING)
    assert ours.recv(3) == b"GET"
    theirs.sendall(b" /")
    assert ours.recv(2) == b" /"


def test_requests_that_begin_at_the_end_are_waited_for(requests, kept, idle):
    """Something may have come that was not read yet when the connections were ended."""
    done = Event()

    def ask_late():
        idle[1].recv(1)
        gevent.spawn_later(ENDING / 2, done.set)
        requests({"gunicorn.socket": kept, "until": done}, None)

    asking = gevent.spawn(ask_late)
    assert requests.finish(3 * ENDING)
    assert asking.ready()
