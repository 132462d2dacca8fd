"""Where the server is: a URL and the settings become what redis-py makes a connection of. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry

from onepush_core import ConfigurationError
from onepush_redis.settings import Settings

TCP, TLS, UNIX = ("redis", "valkey"), ("rediss", "valkeys"), ("unix",)
SCHEMES = (*TCP, *TLS, *UNIX)
RESP2 = 2
"""Every server speaks it, and nothing here needs more."""


class Address(NamedTuple):
    """One server. ``database``: its number, part of the names of channels, which databases share."""

    kind: Callable[..., AbstractConnection]
    options: dict[str, Any]
    database: int

    def __repr__(self) -> str:
        return f"Address(…, database={self.database})"

    def make_connection(self, timeout: float) -> AbstractConnection:
        """A connection, not open yet, that never retries by itself."""
        never = Retry(NoBackoff(), 0)
        return self.kind(
            **self.options,
            db=self.database,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=never,
            protocol=RESP2,
            driver_info=None,
        )


def read_address(url: str, settings: Settings) -> Address:
    """Take a URL apart. Raises ConfigurationError, which never shows the URL: it may hold a password.

    ``redis://[user:password@]host[:port][/database]``, ``rediss://`` and ``valkeys://`` likewise with TLS,
    ``unix://[user:password@]/path[?db=number]``.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        raise ConfigurationError("bus: not a URL") from None
    options: dict[str, Any] = {
        "username": settings.username or unquote(parts.username or "") or None,
        "password": settings.password or unquote(parts.password or "") or None,
    }
    if parts.scheme in UNIX:
        path = unquote(parts.path)
        if not path.strip("/") or parts.hostname:
            raise ConfigurationError("bus: expected unix:///path/of/the/socket")
        return Address(UnixDomainSocketConnection, {**options, "path": path}, _database(parts.query, "db"))
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ConfigurationError("bus: expected redis://host[:port][/database]")
    if parts.query or parts.fragment:
        raise ConfigurationError("bus: options of redis:// stand in the table [redis]")
    options |= {"host": unquote(parts.hostname), "port": port}
    database = _database(f"db={parts.path.strip('/') or 0}", "db")
    if parts.scheme in TCP:
        return Address(Connection, options, database)
    return Address(SSLConnection, {**options, **_tls(settings)}, database)


def _tls(settings: Settings) -> dict[str, Any]:
    return {
        "ssl_ca_certs": settings.ca,
        "ssl_certfile": settings.certificate,
        "ssl_keyfile": settings.key,
        "ssl_check_hostname": True,
    }


def _database(query: str, name: str) -> int:
    options = parse_qs(query, keep_blank_values=True)
    value = options.pop(name, ["0"])[-1]
    if options or not (value.isascii() and value.isdigit()):
        raise ConfigurationError("bus: the database must be a number, and the only option")
    return int(value)
