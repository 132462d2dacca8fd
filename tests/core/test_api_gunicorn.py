"""What only a real server shows: chunked and slow bodies, closing and handing over the connection."""

import json
import socket
import subprocess
import sys
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.core.api_doubles import send_body

pytestmark = pytest.mark.once  # without a store

ROOT = Path(__file__).parents[2]
HEAD = b"POST /msgpush/send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY = json.dumps(send_body()).encode()
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A gunicorn of our own on a free port: (address, file with its log)."""
    log = tmp_path_factory.mktemp("gunicorn") / "log"
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gevent.monkey",
                "--module",
                "tests.core.api_server",
                str(listener.fileno()),
            ],
            pass_fds=[listener.fileno()],
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
        yield listener.getsockname(), log
        process.terminate()
        process.wait(15)


@pytest.fixture
def connection(server):
    """A connection to it."""
    with socket.create_connection(server[0], timeout=15) as sock:
        yield sock


def answer(connection):
    """Read one answer: (status, whether the connection ends, JSON)."""
    response = HTTPResponse(connection)
    response.begin()
    return response.status, response.headers["Connection"] == "close", json.loads(response.read())


def chunk(data):
    """One chunk of a body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def length(size):
    """The end of a head that declares so many bytes."""
    return b"Content-Length: %d\r\n\r\n" % size


def test_chunked_body_is_read(connection):
    """A chunked body counts like any other, and the connection goes on after it."""
    for pieces in ([BODY], [BODY[:10], BODY[10:]], [bytes([byte]) for byte in BODY]):
        connection.sendall(HEAD + CHUNKED + b"".join(map(chunk, pieces)) + chunk(b""))
        assert answer(connection) == (200, False, {"requestId": "m-1"})


def test_endless_chunked_body_is_refused(connection):
    """A chunked body over the bound is a 413 that closes the connection."""
    connection.sendall(HEAD + CHUNKED + chunk(b" " * 40_000) * 2)
    status, closes, body = answer(connection)
    assert (status, closes, body["code"]) == (413, True, 41301)
    assert connection.recv(1) == b""


def test_large_body_is_refused_readably(connection):
    """A client that sends its large body first can still read the 413."""
    connection.sendall(HEAD + length(900_000) + b" " * 900_000)
    status, closes, body = answer(connection)
    assert (status, closes, body["code"]) == (413, True, 41301)
    assert connection.recv(1) == b""


@pytest.mark.parametrize("start", [length(len(BODY)) + BODY[:20], CHUNKED + chunk(BODY[:20]), CHUNKED])
def test_dribbling_body_is_cut_off(server, connection, start):
    """A body that does not come is a 408 that closes the connection; others are served meanwhile."""
    connection.sendall(HEAD + start)
    with socket.create_connection(server[0], timeout=15) as other:
        other.sendall(HEAD + length(len(BODY)) + BODY)
        assert answer(other)[0] == 200
    status, closes, body = answer(connection)
    assert (status, closes, body["code"]) == (408, True, 40801)
    assert connection.recv(1) == b""


@pytest.mark.parametrize("broken", [b"zz\r\n", chunk(b"{}")[:-2] + b"XX5\r\n", b"5;a=\x00\r\n"])
def test_broken_chunk_is_refused(connection, broken):
    """Bad framing is a 400 and the end of the connection."""
    connection.sendall(HEAD + CHUNKED + broken)
    status, _, body = answer(connection)
    assert (status, body["code"]) == (400, 40002)
    assert connection.recv(1) == b""


def test_body_that_breaks_off_is_refused(connection):
    """A client that stops sending gets a 400 while it can read it."""
    connection.sendall(HEAD + length(len(BODY)) + BODY[:20])
    connection.shutdown(socket.SHUT_WR)
    status, _, body = answer(connection)
    assert (status, body["code"]) == (400, 40002)


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"Content-Length: -5\r\n\r\n",
        b"Transfer-Encoding: gzip\r\n\r\n",
    ],
)
def test_ambiguous_framing_is_refused(connection, head):
    """What two servers could frame differently never reaches the API and ends the connection."""
    connection.sendall(HEAD + head)
    response = HTTPResponse(connection)
    response.begin()
    response.read()
    assert response.status in (400, 501)
    assert connection.recv(1) == b""


def test_takeover_leaves_socket_to_plugin(connection):
    """After a hand-over the server writes nothing, closes nothing and the socket goes on living."""
    connection.sendall(b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.recv(100) == b"READY"
    connection.sendall(b"still here")
    assert connection.recv(100) == b"still here"
    assert connection.recv(1) == b""


def test_server_log_stays_clean(server, connection):
    """None of this is an error of the server: its log holds no traceback."""
    connection.sendall(b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.recv(100) == b"READY"
    lines = server[1].read_bytes()
    assert b"Booting worker" in lines
    assert b"Traceback" not in lines
