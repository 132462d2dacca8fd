"""FakeVendor and FakeMailServer: what a real client sees of them."""

from __future__ import annotations

import smtplib
import socket
import time
from email.message import EmailMessage
from urllib.parse import urlsplit

import gevent
import pytest
import requests

from onepush_core import HttpClient, NoAnswer
from onepush_core.testing import FakeMailServer, FakeVendor, Reply, Trouble


@pytest.fixture
def vendor():
    made = FakeVendor(lambda request: Reply(201, json={"you": request.method}, headers={"X-Seen": "1"}))
    yield made
    made.close()


@pytest.fixture
def mail_server():
    made = FakeMailServer()
    yield made
    made.close()


@pytest.fixture
def http():
    made = HttpClient(0.2, 1 << 20)
    yield made
    made.close()


def test_vendor_answers_and_remembers(vendor):
    """Method, path, query, headers and body of each request."""
    answer = requests.put(f"{vendor.url}/a/b?c=d&e=", data={"f": "g"}, timeout=5)
    assert (answer.status_code, answer.json(), answer.headers["X-Seen"]) == (201, {"you": "PUT"}, "1")
    [request] = vendor.requests
    assert (request.method, request.path, request.query, request.form) == (
        "PUT",
        "/a/b",
        {"c": "d", "e": ""},
        {"f": "g"},
    )
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"


def test_vendor_keeps_connections(vendor):
    """Ten calls of a session are one connection, and none waits for the other side's acknowledgement."""
    began = time.monotonic()
    with requests.Session() as session:
        for _ in range(10):
            session.post(vendor.url, json={}, timeout=5)
    assert time.monotonic() - began < 0.3


STATUSES = {
    Trouble.SERVER_ERROR: 500,
    Trouble.UNAVAILABLE: 503,
    Trouble.TOO_MANY: 429,
    Trouble.UNAUTHORIZED: 401,
    Trouble.REDIRECT: 307,
    Trouble.EMPTY: 200,
    Trouble.GARBAGE: 200,
    Trouble.OTHER_JSON: 200,
    Trouble.NESTED: 200,
}
REASONS = {
    Trouble.REFUSED: "connection failed",
    Trouble.RESET: "connection failed",
    Trouble.HANG_UP: "connection failed",
    Trouble.TORN: "connection failed",
    Trouble.LONG_HEADER: "connection failed",
    Trouble.SILENCE: "timeout",
    Trouble.DRIP: "timeout",
    Trouble.ENDLESS: "answer too large",
}


def test_every_trouble_is_known():
    """To these tests."""
    assert {*STATUSES, *REASONS} == set(Trouble) == set(FakeVendor.TROUBLES)


@pytest.mark.parametrize("kind", STATUSES)
def test_vendor_answers_badly(vendor, http, kind):
    """With such a status, and nothing in it that is the JSON agreed on."""
    vendor.trouble(kind)
    answer = http.call("POST", vendor.url, json={})
    assert answer.status == STATUSES[kind]
    assert (answer.retry_after == 120) == (kind in (Trouble.UNAVAILABLE, Trouble.TOO_MANY))
    if kind is not Trouble.OTHER_JSON:
        with pytest.raises(NoAnswer, match="malformed answer"):
            answer.json()
    assert vendor.elsewhere == []


@pytest.mark.parametrize("kind", REASONS)
def test_vendor_does_not_answer(vendor, http, kind):
    """The client comes back, in time and in good order."""
    vendor.trouble(kind)
    began = time.monotonic()
    with pytest.raises(NoAnswer) as caught:
        http.call("POST", vendor.url, json={})
    assert caught.value.reason == REASONS[kind]
    assert time.monotonic() - began < 2


def test_vendor_recovers(vendor, http):
    """After so many requests, or when it is told; also when nobody listened."""
    vendor.trouble(Trouble.SERVER_ERROR, times=2)
    assert [http.call("GET", vendor.url).status for _ in range(3)] == [500, 500, 201]
    vendor.trouble(Trouble.REFUSED)
    with pytest.raises(NoAnswer):
        http.call("GET", vendor.url)
    vendor.recover()
    assert http.call("GET", vendor.url).status == 201


def test_vendor_resets_connections(vendor):
    """A reset, not an orderly end."""
    vendor.trouble(Trouble.RESET)
    address = urlsplit(vendor.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(100)


def test_http_client_takes_nothing_from_the_environment(vendor, http, monkeypatch):
    """No proxy, no credentials from a file, no cookies."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    vendor.answer = lambda request: Reply(json={}, headers={"Set-Cookie": "a=b"})
    for _ in range(2):
        assert http.call("GET", vendor.url).status == 200
    assert "cookie" not in vendor.requests[1].headers


def test_http_client_has_no_time_left(vendor, http):
    """A call that may take no time is not made."""
    with pytest.raises(NoAnswer, match="no time left"):
        http.call("GET", vendor.url, seconds=0)
    assert vendor.requests == []


def make_mail():
    mail = EmailMessage()
    mail["Subject"] = "Grüße"
    mail.set_content("first\n.\n..last\n")
    return mail


def test_mail_server_takes_mail(mail_server):
    """Envelope and content, dots and all; the dead are refused by name."""
    mail_server.dead.add("dead@example.org")
    with smtplib.SMTP(mail_server.host, mail_server.port, timeout=5) as smtp:
        refused = smtp.send_message(make_mail(), "me@example.org", ["ann@example.org", "dead@example.org"])
    assert refused == {"dead@example.org": (550, b"5.1.1 no such mailbox")}
    [mail] = mail_server.requests
    assert (mail.sender, mail.recipients) == ("me@example.org", ["ann@example.org"])
    assert mail.message["Subject"] == "Grüße"
    assert mail.message.get_content() == "first\n.\n..last\n"


def send_mail(server):
    """As a careless client would, with half a second for all of it."""
    with gevent.Timeout(0.5, TimeoutError()), smtplib.SMTP(server.host, server.port, timeout=0.1) as smtp:
        smtp.send_message(make_mail(), "me@example.org", ["ann@example.org"])


@pytest.mark.parametrize("kind", FakeMailServer.TROUBLES)
def test_mail_server_makes_trouble(mail_server, kind):
    """smtplib gives up, or never would; the next mail is taken."""
    mail_server.trouble(kind)
    with pytest.raises((smtplib.SMTPException, OSError)):
        send_mail(mail_server)
    assert mail_server.requests == []
    mail_server.recover()
    send_mail(mail_server)
    assert len(mail_server.requests) == 1
