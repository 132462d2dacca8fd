"""Servers with a password, over TLS, on a Unix socket; installations beside each other."""

import datetime
import ipaddress
import time
from pathlib import Path

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness.process import free_port
from harness.waiting import eventually
from onepush_redis.names import Names
from tests.redis.conftest import BEAT, missing

DOCUMENT = Path(__file__).parents[2] / "docs" / "redis.md"


def make_pem(folder):
    """A certificate for 127.0.0.1 that signs itself, and its key; their paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "onepush test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "server.pem", folder / "server.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
    return paths


@pytest.fixture
def tls_server(start_server, tmp_path):
    """A server that speaks TLS on a second port, wants a certificate from its clients, and its address."""
    certificate, key = make_pem(tmp_path)
    port = free_port()
    options = ["--tls-port", str(port), "--tls-auth-clients", "yes", "--tls-cert-file", str(certificate)]
    options += ["--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate)]
    try:
        start_server(*options)
    except AssertionError:
        missing("this server is built without TLS")
    return f"rediss://127.0.0.1:{port}", {
        "ca": str(certificate),
        "certificate": str(certificate),
        "key": str(key),
    }


def test_tls_server_is_reached(tls_server, start_worker):
    """rediss:// with our own CA and a client certificate."""
    url, files = tls_server
    one, two = start_worker(1, url, **files), start_worker(2, url, **files)
    one.bus.hold(10, 1)
    two.await_holders({10: 1})
    one.bus.publish(2, b"in private")
    eventually(lambda: two.received == [b"in private"])


def test_tls_server_of_somebody_else_is_not_trusted(tls_server, make_worker):
    """Without its CA, or under another name, a server is not talked to."""
    url, files = tls_server
    pair = {name: files[name] for name in ("certificate", "key")}
    strangers = [make_worker(url, **pair), make_worker(url.replace("127.0.0.1", "localhost"), **files)]
    for number, worker in enumerate(strangers, 1):
        worker.start(number)
        eventually(lambda worker=worker: worker.count("reconnects", link="send") >= 2)
        assert not worker.bus.publish(1, b"x")


def test_user_with_few_rights_is_enough(server, start_worker, make_worker):
    """The rights that docs/redis.md lists are all that is needed, the sweep included."""
    line = next(line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("ACL SETUSER"))
    words = line.replace("onepush", make_worker.prefix).split()
    server.client().execute_command(*words)
    url = server.url.replace("//", "//push:password@").replace("/0", "/1")
    one, two = start_worker(1, url), start_worker(2, url)
    one.bus.hold(10, 1)
    two.await_holders({10: 1})
    two.bus.close()
    one.bus.forget(2)
    one.bus._life.presence._next_sweep = 0.0
    with server.client(db=1) as client:
        eventually(lambda: client.exists(Names(make_worker.prefix, 1).sweep))
    time.sleep(2 * BEAT)
    assert one.complete
    assert one.count("resets") == 1


def test_unix_socket_is_reached(start_server, start_worker, tmp_path):
    """unix:// with a database number."""
    path = tmp_path / "redis.sock"
    start_server("--unixsocket", str(path))
    one, two = start_worker(1, f"unix://{path}?db=5"), start_worker(2, f"unix://{path}?db=5")
    one.bus.hold(10, 1)
    two.await_holders({10: 1})


def test_databases_of_a_server_do_not_mix(server, start_worker):
    """The same worker numbers in two databases are two installations."""
    here, there = start_worker(1, server.url), start_worker(1, server.url[:-1] + "1")
    here.bus.hold(10, 1)
    here.await_settled()
    assert there.bus.holders([10]) == {}
    here.bus.publish(1, b"here")
    eventually(lambda: here.received == [b"here"])
    there.bus.publish(1, b"there")
    eventually(lambda: there.received == [b"there"])
    assert here.received == [b"here"]


def test_prefixes_do_not_mix(server, start_worker):
    """The same with two prefixes in one database."""
    one, other = start_worker(1, server.url, prefix="a"), start_worker(1, server.url, prefix="b")
    one.bus.hold(10, 1)
    one.await_settled()
    assert other.bus.holders([10]) == {}


def test_abandoned_installation_leaves_nothing(server, start_worker, make_worker):
    """Every key has an end that each heartbeat puts off."""
    one = start_worker(1, server.url)
    one.bus.hold(10, 1)
    one.await_settled()
    keys = server.client().keys("*")
    names = Names(make_worker.prefix, 0)
    assert {key.decode() for key in keys} == {names.workers, names.devices}
    assert all(86_000_000 < server.client().pttl(key) <= 86_400_000 for key in keys)


def test_claims_of_the_dead_are_swept(server, start_worker, make_worker):
    """Nobody looks them up any more, and still they go, a few with each heartbeat."""
    one, two = start_worker(1, server.url), start_worker(2, server.url)
    for device in range(1, 8001):
        (one if device % 2 else two).bus.hold(device, 1)
    one.await_settled()
    two.await_settled()
    devices = Names(make_worker.prefix, 0).devices
    assert server.client().hlen(devices) == 8001
    two.vanish()
    one.bus.forget(2)
    one.bus._life.presence._next_sweep = 0.0
    eventually(lambda: server.client().hlen(devices) == 4001)
    assert one.bus.holders([1, 2]) == {1: 1}


def test_foreign_entries_are_survived(server, start_worker, make_worker):
    """What somebody else has written under our names makes unsure, and raises nothing."""
    one = start_worker(1, server.url)
    names = Names(make_worker.prefix, 0)
    server.client().hset(names.devices, 10, "what is this")
    assert one.bus.holders([10]) == {}
    server.client().publish(names.mail(1), b"no envelope")
    eventually(lambda: one.count("dropped", reason="unreadable") == 1)
    server.client().hset(names.workers, "somebody", "something")
    assert one.bus.holders([10]) is None
    assert isinstance(server.client(), redis.Redis)
