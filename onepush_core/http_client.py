"""HTTP to somebody else's service, bounded in time and size. For plugins; the core itself calls nobody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NamedTuple

import gevent
import requests
from requests.adapters import HTTPAdapter

CONNECT_SECONDS = 5.0
LARGEST = 4 << 20
POOL = 16
LONGEST_WISH = 3600.0


class NoAnswer(Exception):
    """No answer came back, or none that can be read. ``reason``: a few words, fit for the trail."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class HttpAnswer(NamedTuple):
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises NoAnswer when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise NoAnswer("malformed answer") from None

    @property
    def retry_after(self) -> float | None:
        """Seconds that the other side wants us to wait, an hour at most; None when it does not say.

        RFC 9110 section 10.2.3; its other form, a date, is not read.
        """
        text = self.headers.get("Retry-After", "")
        return min(float(text), LONGEST_WISH) if text.isascii() and text.isdigit() else None


class HttpClient:
    """Makes calls and always comes back in time. Follows no redirect, takes nothing from the environment.

    ``seconds``: for one call, from start to end. ``largest``: bytes of an answer. ``headers``: for each
    call. ``verify``, ``proxies``: as ``requests`` takes them.
    """

    def __init__(
        self,
        seconds: float = 10.0,
        largest: int = LARGEST,
        *,
        headers: Mapping[str, str] | None = None,
        verify: bool | str = True,
        proxies: dict[str, str] | None = None,
    ) -> None:
        self._seconds = seconds
        self._largest = largest
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update(headers or {})
        self._session.verify = verify
        self._session.proxies = proxies or {}
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=POOL))

    def call(self, method: str, url: str, *, seconds: float | None = None, **request: Any) -> HttpAnswer:
        """The answer. ``seconds``: less time than usual. ``request``: json=, data=, headers=, auth=, params=.

        Raises NoAnswer.
        """
        patience = self._seconds if seconds is None else min(seconds, self._seconds)
        if patience <= 0:
            raise NoAnswer("no time left")
        # The library's own timeout starts anew with every byte; a trickle would never end.
        with gevent.Timeout(patience, NoAnswer("timeout")):
            return self._exchange(method, url, patience, request)

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def _exchange(self, method: str, url: str, patience: float, request: dict[str, Any]) -> HttpAnswer:
        timeout = (min(patience, CONNECT_SECONDS), patience)
        try:
            with self._session.request(
                method, url, timeout=timeout, allow_redirects=False, stream=True, **request
            ) as response:
                return HttpAnswer(response.status_code, response.headers, self._body_of(response))
        except requests.Timeout:
            raise NoAnswer("timeout") from None
        except requests.RequestException:
            # Its text may hold addresses with what is secret in them.
            raise NoAnswer("connection failed") from None

    def _body_of(self, response: requests.Response) -> bytes:
        body = bytearray()
        for part in response.iter_content(65_536):
            body += part
            if len(body) > self._largest:
                raise NoAnswer("answer too large")
        return bytes(body)
