"""TERM: sockets get 1012, spread over a moment; running work is finished or left; the exit takes seconds."""

import signal
import threading
import time

import requests

from harness.auditor import audit
from harness.drivers import Listener, Sender, await_end, collect, stop_all

CROWD = 1000
AT_A_TIME = 20


def connect_all(app, devices):
    """Sockets of all devices, opened by some threads."""
    connections = []

    def work(share):
        connections.extend(app.connect(device) for device in share)

    threads = [threading.Thread(target=work, args=(devices[start::AT_A_TIME],)) for start in range(AT_A_TIME)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return connections


def test_stopping_says_goodbye_to_a_thousand_sockets(start_gateway):
    """Every socket gets 1012, not all in one instant, and the process is gone within five seconds."""
    gateway = start_gateway()
    app = gateway.create_app()
    connections = connect_all(app, [app.register("crowd") for _ in range(CROWD)])
    closed = {}

    def watch(connection):
        code = connection.close_code(20)
        closed[connection.device] = (code, time.monotonic())

    watchers = [threading.Thread(target=watch, args=(connection,)) for connection in connections]
    for thread in watchers:
        thread.start()
    seconds = gateway.terminate()
    for thread in watchers:
        thread.join()
    times = [at for _, at in closed.values()]
    assert {code for code, _ in closed.values()} == {1012}
    assert len(closed) == CROWD
    assert seconds < 5
    assert max(times) - min(times) > 0.5
    assert gateway.process.returncode == 0
    gateway.close_apps()


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
