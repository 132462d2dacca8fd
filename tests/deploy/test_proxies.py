"""nginx and HAProxy with the configuration of deploy/, TLS and all, in front of real gateways."""

import ssl
from contextlib import ExitStack

import pytest
import requests
from requests.adapters import HTTPAdapter
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from harness.app import AppClient, read
from harness.process import free_port
from harness.waiting import PATIENCE
from tests.deploy.stubs import Stub

PROXIES = ["nginx", "haproxy"]
IDLE = 31.0
PINGS = {"ping_interval": 8, "ping_timeout": 4}
"""Who does not answer a ping is closed after 12 seconds."""


class FromOutside(HTTPAdapter):
    """Calls from another address than the proxy's own."""

    def init_poolmanager(self, *arguments, **options):
        """Bind each connection."""
        super().init_poolmanager(*arguments, source_address=("127.0.0.2", 0), **options)


@pytest.fixture(scope="module")
def gateway(start_gateway):
    """A gateway that pings often."""
    return start_gateway(ws=PINGS)


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request, start_proxy, gateway):
    """One proxy after the other."""
    return start_proxy(request.param, gateway.port)


@pytest.fixture
def app(gateway, proxy, monkeypatch):
    """An app that calls through the proxy."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(proxy.certificate.chain))
    known = gateway.create_app()
    through = AppClient(proxy.url, known.id, known.key)
    through._session.mount("https://", HTTPAdapter())
    yield through
    through.close()
    gateway.close_apps()


def open_socket(proxy, device, **options):
    """A WebSocket over TLS, by a client that is not ours."""
    context = ssl.create_default_context(cafile=str(proxy.certificate.chain))
    address = f"wss://localhost:{proxy.port}/msgpush.ws?deviceId={device}"
    return connect(address, ssl=context, open_timeout=PATIENCE, proxy=None, **options)


def test_message_travels_through_proxy(app, proxy):
    """Register, connect, send, frame, confirm, status; the browser's own origin may connect."""
    device = app.register("ann", "WEB")
    with open_socket(proxy, device, origin=f"https://localhost:{proxy.port}") as sock:
        request_id = app.send("ann", needConfirm=True)
        assert f'"id":"{request_id}"' in sock.recv(PATIENCE)
        sock.send(f"CFM:{request_id}")
        app.await_counts(request_id, confirmed=1)


def test_sockets_survive_silence(start_proxy, gateway):
    """Half a minute in which nothing but pings passes, through both proxies at once; then a frame."""
    app = gateway.create_app()
    proxies = [start_proxy(name, gateway.port) for name in PROXIES]
    devices = [app.register("ann") for _ in proxies]
    with ExitStack() as stack:
        pairs = zip(proxies, devices, strict=True)
        sockets = [stack.enter_context(open_socket(proxy, device)) for proxy, device in pairs]
        with pytest.raises(TimeoutError):
            sockets[0].recv(IDLE)
        request_id = app.send("ann")
        for sock in sockets:
            assert request_id in sock.recv(PATIENCE)


def test_foreign_origin_is_refused_through_proxy(proxy, app):
    """The gateway sees the host that the browser sees."""
    with pytest.raises(Exception, match="403"):
        open_socket(proxy, app.register("ann"), origin="https://elsewhere.example")


def test_errors_pass_through_proxy(app, proxy):
    """The gateway's own answers, codes and headers."""
    refused = app.post("/msgpush/send", {"appId": app.id})
    assert (refused.status_code, refused.json()["code"]) == (400, 40001)
    found = app.get("/audience/none")
    assert (found.status_code, found.json()["code"]) == (404, 40400)


def test_operators_paths_are_closed_to_the_outside(proxy, app):
    """Apps, health and figures answer inside and nowhere else; the rest answers everybody."""
    outside = requests.Session()
    outside.mount("https://", FromOutside())
    for path in ("/metrics", "/health/ready", "/apps/x"):
        assert outside.get(proxy.url + path, timeout=PATIENCE).status_code == 403
        assert requests.get(proxy.url + path, timeout=PATIENCE).status_code in (200, 401)
    assert outside.get(proxy.url + "/openapi.json", timeout=PATIENCE).status_code == 200


def test_proxy_logs_no_secrets(proxy, app, gateway):
    """Neither the device id of a connect nor that of an unregistration, also when it goes wrong."""
    device = app.register("ann")
    with open_socket(proxy, device):
        app.unregister(device)
    app.get(f"/devices/{device}/tags")
    read(app.get("/devices", alias="alias-of-somebody"))
    logged = proxy.logged()
    assert "/msgpush/unregister" in logged
    assert "/v1/devices" in logged
    assert device not in logged
    assert "alias-of-somebody" not in logged


@pytest.mark.parametrize("name", PROXIES)
def test_restart_is_told_through_proxy(start_gateway, start_proxy, name):
    """TERM: the client reads 1012, and the gateway is gone at once."""
    gateway = start_gateway(ws=PINGS)
    proxy = start_proxy(name, gateway.port)
    device = gateway.create_app().register("ann")
    with open_socket(proxy, device) as sock:
        assert gateway.terminate() < 5
        with pytest.raises(ConnectionClosed) as caught:
            sock.recv(PATIENCE)
    assert caught.value.rcvd.code == 1012
    assert device not in proxy.logged()


@pytest.fixture
def stubs():
    """A gateway that takes requests and dies, and one that is well."""
    pair = Stub(answers=False), Stub(answers=True)
    yield pair
    for stub in pair:
        stub.stop()


def send(proxy, **headers):
    """A send, as far as a proxy can tell."""
    url = f"{proxy.url}/msgpush/send"
    return requests.post(url, json={}, headers=headers, verify=proxy.certificate.chain, timeout=PATIENCE)


@pytest.mark.parametrize("name", PROXIES)
def test_send_without_key_is_never_repeated(start_proxy, stubs, name):
    """A gateway that breaks off may have stored the message: the caller hears of it, and no other gateway."""
    dying, well = stubs
    proxy = start_proxy(name, dying.port, well.port)
    answers = [send(proxy).status_code for _ in range(4)]
    assert 502 in answers
    assert len(dying.requests) + len(well.requests) == 4


@pytest.mark.parametrize("name", PROXIES)
def test_send_with_key_is_repeated_elsewhere(start_proxy, stubs, name):
    """The key makes it safe."""
    dying, well = stubs
    proxy = start_proxy(name, dying.port, well.port)
    assert [send(proxy, **{"Idempotency-Key": "one"}).status_code for _ in range(4)] == [200] * 4
    assert dying.requests
    assert set(dying.requests + well.requests) == {"POST /msgpush/send HTTP/1.1"}


@pytest.mark.parametrize("name", PROXIES)
def test_send_goes_elsewhere_when_a_gateway_is_down(start_proxy, stubs, name):
    """What could not be handed to one gateway goes to the next, with a key or without."""
    _, well = stubs
    proxy = start_proxy(name, free_port(), well.port)
    assert [send(proxy).status_code for _ in range(4)] == [200] * 4
