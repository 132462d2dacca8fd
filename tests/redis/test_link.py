"""One connection to the server: what happens to it when nobody waits for it any more."""

import gc
import socket
import time
import warnings

import gevent
import pytest

from onepush_redis.address import read_address
from onepush_redis.link import Link
from onepush_redis.settings import Settings

TIMEOUT = 0.5


@pytest.fixture
def full_port():
    """A port whose queue is full: the kernel does not answer who wants to connect."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with socket.create_connection(listener.getsockname()):
            yield listener.getsockname()[1]


def is_interrupted(job):
    """Do something, and stop waiting for it soon."""
    try:
        with gevent.Timeout(0.05):
            job()
    except gevent.Timeout:
        return True
    return False


def test_interrupted_open_hangs_up_later(full_port):
    """Who stops waiting in the middle of a connect leaves no socket behind that nobody closes."""
    link = Link(read_address(f"redis://127.0.0.1:{full_port}", Settings()), TIMEOUT, time.monotonic)
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always")
        assert is_interrupted(link.open)
        gevent.sleep(0)
        gc.collect()
    assert [str(one.message) for one in left] == []
    assert not link.is_open
