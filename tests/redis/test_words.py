"""Payloads from worker to worker."""

import time

import pytest

from harness.waiting import eventually
from onepush_core import BusUnavailable


def test_payload_reaches_the_worker_it_is_for(start_worker):
    """A payload comes to that worker and to no other, byte by byte."""
    one, two, three = (start_worker(number) for number in (1, 2, 3))
    payload = bytes(range(256))
    assert one.bus.publish(2, payload)
    eventually(lambda: two.received)
    assert two.received == [payload]
    assert one.received == three.received == []


def test_payloads_keep_their_order(start_worker):
    """Ten thousand payloads arrive in the order in which they were published, in few writes."""
    # A link that is late is given up, with all that is on its way.
    one, two = (start_worker(number, queue_messages=20_000, timeout=10.0, heartbeat=1.0) for number in (1, 2))
    sent = [b"%d" % number for number in range(10_000)]
    for payload in sent:
        assert one.bus.publish(2, payload)
    eventually(lambda: len(two.received) == len(sent))
    assert two.received == sent


def test_worker_can_write_to_itself(start_worker):
    """The own number is a number like any other."""
    one = start_worker(1)
    one.bus.publish(1, b"to myself")
    eventually(lambda: one.received == [b"to myself"])


def test_probe_goes_through_the_server(start_worker):
    """The probe of a connected worker passes; it brings no payload."""
    one = start_worker(1)
    one.bus.probe()
    assert one.received == []


def test_probe_before_the_start_raises(make_worker, shared_url):
    """A bus that is nobody yet is not available."""
    with pytest.raises(BusUnavailable):
        make_worker(shared_url).bus.probe()
    assert not make_worker(shared_url).bus.publish(1, b"x")


def test_receiver_gets_one_payload_at_a_time(make_worker, shared_url):
    """While ``receive`` waits, the next payload waits too; one that raises does not stop the others."""
    worker, running, most, seen = make_worker(shared_url), [], [], []

    def receive(payload):
        running.append(payload)
        most.append(len(running))
        time.sleep(0.005)
        seen.append(running.pop())
        raise RuntimeError("not my day")

    worker.bus.start(1, receive)
    worker.await_connected()
    for number in range(20):
        worker.bus.publish(1, b"%d" % number)
    eventually(lambda: len(seen) == 20)
    assert seen == [b"%d" % number for number in range(20)]
    assert max(most) == 1
