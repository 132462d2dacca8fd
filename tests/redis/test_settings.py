"""The table [redis] and the address: what is taken, and errors that show no secret."""

import re
from pathlib import Path

import msgspec
import pytest
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

import onepush_redis
from harness.needs import need_source
from onepush_core import ConfigurationError
from onepush_redis.address import read_address
from onepush_redis.settings import Settings, read_settings

README = Path(__file__).parents[2] / "plugins" / "onepush_redis" / "README.md"


@pytest.mark.parametrize(
    ("url", "kind", "wanted"),
    [
        ("redis://10.0.0.1", Connection, {"host": "10.0.0.1", "port": 6379, "db": 0}),
        ("valkey://h:7000/3", Connection, {"host": "h", "port": 7000, "db": 3}),
        ("redis://[::1]:7000/", Connection, {"host": "::1", "port": 7000, "db": 0}),
        ("rediss://ann:p%40ss@h", SSLConnection, {"username": "ann", "password": "p@ss"}),
        ("valkeys://:pw@h", SSLConnection, {"username": None, "password": "pw"}),
        ("unix:///run/redis.sock", UnixDomainSocketConnection, {"path": "/run/redis.sock", "db": 0}),
        ("unix://:pw@/run/r.sock?db=2", UnixDomainSocketConnection, {"password": "pw", "db": 2}),
    ],
)
def test_address_becomes_a_connection(url, kind, wanted):
    """Each scheme the core may bring, with the timeout asked for."""
    assert url.partition("://")[0] in onepush_redis.RedisPlugin.bus_schemes
    connection = read_address(url, Settings()).make_connection(0.7)
    assert type(connection) is kind
    assert {name: getattr(connection, name) for name in wanted} == wanted
    assert (connection.socket_timeout, connection.socket_connect_timeout) == (0.7, 0.7)


def test_settings_stand_over_the_address():
    """A password in a file is seen by fewer than one on the command line."""
    settings = Settings(username="ann", password="better", ca=__file__)
    connection = read_address("rediss://bob:worse@h", settings).make_connection(1)
    assert (connection.username, connection.password) == ("ann", "better")
    assert (connection.ca_certs, connection.check_hostname) == (__file__, True)


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://:very-secret@",
        "redis://:very-secret@h:x",
        "redis://:very-secret@h:99999",
        "redis://:very-secret@h/one",
        "redis://:very-secret@h/-1",
        "redis://:very-secret@h?ssl_cert_reqs=none",
        "unix://:very-secret@",
        "unix://very-secret/run/redis.sock",
        "unix:///run/redis.sock?timeout=very-secret",
        "http://:very-secret@h",
    ],
)
def test_bad_address_is_refused_without_showing_it(url):
    """What is wrong is said, and nothing of the address."""
    with pytest.raises(ConfigurationError) as caught:
        onepush_redis.create({}).open_bus(url, lambda: 0.0)
    assert "very-secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"prefix": "{very-secret}"}, "prefix"),
        ({"prefix": ""}, "prefix"),
        ({"timeout": 0}, "timeout"),
        ({"heartbeat": 60}, "heartbeat"),
        ({"pool": 0}, "pool"),
        ({"queue_bytes": 1}, "queue_bytes"),
        ({"pasword": "very-secret"}, "pasword"),
        ({"username": "very-secret"}, "password"),
        ({"key": __file__}, "certificate"),
        ({"ca": "/very-secret/file"}, "ca"),
    ],
)
def test_bad_setting_is_refused_by_key(table, key):
    """A wrong setting stops the start with its key, and never with a value."""
    with pytest.raises(ConfigurationError) as caught:
        read_settings(table)
    assert key in str(caught.value)
    assert "very-secret" not in str(caught.value)


def test_nothing_shows_a_password():
    """Neither the settings, nor the address, nor a connection."""
    settings = Settings(password="very-secret")
    address = read_address("redis://:very-secret@h", settings)
    assert "very-secret" not in repr(settings) + repr(address) + repr(address.make_connection(1))


def test_readme_lists_every_setting():
    """The table in the README is the Struct."""
    need_source()
    rows = re.findall(r"^\| (`[^|]+) \|", README.read_text("utf-8"), re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert listed == {field.name for field in msgspec.structs.fields(Settings)}
