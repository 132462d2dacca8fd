"""TERM: sockets get 1012, spread over a moment; running work is finished or left; the exit takes seconds."""

import select
import signal
import threading
import time
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException

import pytest
import requests

from harness.auditor import audit
from harness.crowd import Crowd, make_room
from harness.drivers import Listener, Sender, await_end, collect, stop_all

CROWD = 5000
SOCKETS = 60
"""So many are told 1012 over most of the time that a stop may take."""
IDLE, AT_ONCE, PAUSE = 1500, 5, 0.012
"""Connections that are kept and not used; how many of them are used at once, and the seconds between: they
last longer than the gateway waits for the end of such a stream.
"""


@pytest.mark.once
def test_stopping_says_goodbye_to_five_thousand_sockets(start_gateway):
    """Every socket gets 1012, not all in one instant, and the process is gone within five seconds."""
    make_room(CROWD + 1000)
    gateway = start_gateway(ws={"ping_interval": 600, "ping_timeout": 300})
    crowd = Crowd(gateway.create_app(), "crowd", CROWD)
    watcher = threading.Thread(target=crowd.watch, args=(20,))
    watcher.start()
    seconds = gateway.terminate()
    watcher.join()
    crowd.close()
    times = [at for _, at in crowd.goodbyes]
    assert {code for code, _ in crowd.goodbyes} == {1012}
    assert len(crowd.goodbyes) == CROWD
    assert seconds < 5
    assert max(times) - min(times) > 0.5
    assert gateway.process.returncode == 0


def test_stopping_on_ctrl_c_is_the_same(start_gateway):
    """INT closes the sockets with 1012 too, and ends with 0."""
    gateway = start_gateway()
    app = gateway.create_app()
    connection = app.connect(app.register("ada"))
    gateway.process.send_signal(signal.SIGINT)
    assert connection.close_code() == 1012
    assert gateway.process.wait(5) == 0
    gateway.close_apps()


def test_stopping_under_load_refuses_nothing_begun(start_gateway):
    """A restart in the middle of a stream: no 5xx, nothing acknowledged missing, order kept."""
    gateway = start_gateway(delivery={"resend_gaps": [0.5, 1.0]})
    app = gateway.create_app()
    devices = [app.register("ada") for _ in range(4)]
    senders = [WatchfulSender(app, f"sender-{number}", "ada", devices, insists=False) for number in range(4)]
    listeners = [Listener(app, device) for device in devices]
    for driver in (*listeners, *senders):
        driver.start()
    time.sleep(0.5)
    assert gateway.terminate() < 5
    gateway.start()
    stop_all(senders)
    await_end(app, senders, patience=20)
    stop_all(listeners)
    history = collect(app, senders, listeners, faulted=True)
    gateway.stop()
    assert [code for sender in senders for code in sender.codes if code != 200] == []
    assert len(history.totals) > 20
    assert audit(history) == []


def test_stopping_answers_whoever_could_connect(start_gateway):
    """New connections are answered or refused: the kernel's queue is empty when it stops to listen."""
    gateway = start_gateway()
    stopping = threading.Thread(target=gateway.terminate)
    stopping.start()
    fates = []
    while (fate := ask_anew(gateway)) != "refused":
        fates.append(fate)
    stopping.join()
    assert len(fates) > 5
    assert set(fates) == {"answered"}


def ask_anew(gateway):
    """What becomes of a request on a new connection."""
    with closing(HTTPConnection(gateway.host, gateway.port, timeout=10)) as one:
        try:
            one.connect()
        except ConnectionRefusedError:
            return "refused"
        with suppress(OSError):
            one.request("GET", "/health/live")
        return fate_of(one)


@pytest.mark.parametrize("sockets", [0, SOCKETS])
def test_stopping_answers_what_comes_on_idle_connections(start_gateway, sockets):
    """A connection that was kept is closed before the gateway goes deaf: who uses it until then is answered.

    HTTP/1.1 cannot exclude that a request and the end of its connection cross (RFC 9112, 9.5): one may.
    """
    make_room(IDLE + 1000)
    gateway = start_gateway(server={"keepalive": 60})
    crowd = Crowd(gateway.create_app(), "crowd", sockets)
    idle = [open_idle(gateway) for _ in range(IDLE)]
    stopping = threading.Thread(target=gateway.terminate)
    stopping.start()
    fates = []
    while idle:
        fates += use_once_more([idle.pop() for _ in range(AT_ONCE)])
        time.sleep(PAUSE)
    stopping.join()
    crowd.close()
    assert fates.count("answered") > IDLE / 50
    assert fates.count("closed") > IDLE / 50
    assert fates.count("lost") <= 1, fates.count("lost")


def open_idle(gateway):
    """A connection that has had an answer."""
    one = HTTPConnection(gateway.host, gateway.port, timeout=10)
    one.request("GET", "/health/live")
    one.getresponse().read()
    return one


def use_once_more(connections):
    """What becomes of a request on each, sent at the same time; some may have been closed meanwhile."""
    asked = [one for one in connections if ask(one)]
    fates = [fate_of(one) for one in asked]
    for one in connections:
        one.close()
    return ["closed"] * (len(connections) - len(asked)) + fates


def ask(connection):
    """Send a request, unless the other side has closed the connection."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    if poll.poll(0):
        return False
    with suppress(OSError):
        connection.request("GET", "/health/live")
    return True


def fate_of(connection):
    """Whether a request is answered."""
    try:
        connection.getresponse().read()
    except (OSError, HTTPException):
        return "lost"
    return "answered"


class WatchfulSender(Sender):
    """A sender that remembers every status code."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.codes = []

    def _try(self, key, number):
        try:
            answer = self._app.try_send(self._alias, extra=key, needConfirm=number % 2 == 0)
        except requests.RequestException:
            return None
        self.codes.append(answer.status_code)
        return answer if answer.ok else None


def test_stopping_does_not_wait_for_plugins(start_gateway):
    """A plugin that hangs in deliver and in shutdown holds up neither the goodbyes nor the exit for long."""
    gateway = start_gateway(plugins={"load": ["ws", "trouble"]}, trouble={"shutdown": "hang"})
    app = gateway.create_app()
    connection = app.connect(app.register("ada"))
    app.register("bob")
    request_id = app.send("bob", options={"trouble": {"deliver": "hang"}})
    app.await_counts(request_id, pending=1)
    assert gateway.terminate() < 6
    assert connection.close_code() == 1012
    gateway.close_apps()
