"""HTTP to OPPO: pooled, bounded in time and size. Follows no redirect, takes nothing from the environment."""

from __future__ import annotations

from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import gevent
import requests
from requests.adapters import HTTPAdapter

from onepush_oppo.metrics import Metrics
from onepush_oppo.protocol import FORM, Answer, MalformedAnswer, parse_answer
from onepush_oppo.settings import Settings

CONNECT_SECONDS = 5.0
LARGEST_ANSWER = 4 << 20
POOL = 16
LONGEST_WISH = 300.0


class CallFailed(Exception):
    """No answer of OPPO's came back. ``final``: repeating the same call would not help.

    ``wish``: seconds that the other side asked us to wait.
    """

    def __init__(self, reason: str, *, final: bool = False, wish: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final
        self.wish = wish


class NoTimeLeft(CallFailed):
    """The call was not made: what came before it took all the time. Says nothing of the host."""

    def __init__(self) -> None:
        super().__init__("no time left")


class Client:
    """Sends requests and brings back answers. ``timeout``: seconds for one call, from start to end."""

    def __init__(self, settings: Settings, metrics: Metrics, monotonic: Callable[[], float]) -> None:
        self._timeout = settings.timeout
        self._metrics = metrics
        self._monotonic = monotonic
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["User-Agent"] = "onepush-oppo"
        self._session.verify = settings.ca_bundle or True
        if settings.proxy:
            self._session.proxies = {"http": settings.proxy, "https": settings.proxy}
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=POOL))

    def post(self, url: str, body: bytes, patience: float) -> Answer:
        """Send a form. ``patience``: seconds the caller has left. Raises CallFailed."""
        return self._call("POST", url, patience, data=body, headers={"Content-Type": FORM})

    def get(self, url: str, token: str, patience: float) -> Answer:
        """Ask with the token in a header, where no access log sees it. Raises CallFailed."""
        return self._call("GET", url, patience, headers={"auth_token": token})

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def _call(self, method: str, url: str, patience: float, **request: Any) -> Answer:
        seconds = min(self._timeout, patience)
        if seconds <= 0:
            raise NoTimeLeft
        name, began = url.rpartition("/")[2], self._monotonic()
        try:
            # The library's own timeout starts anew with every byte; a trickle would never end.
            with gevent.Timeout(seconds, CallFailed("timeout")):
                answer = parse_answer(self._exchange(method, url, seconds, request))
        except CallFailed as error:
            self._metrics.call_failed(name, error.reason)
            raise
        except MalformedAnswer:
            self._metrics.call_failed(name, "malformed answer")
            raise CallFailed("malformed answer") from None
        finally:
            self._metrics.call_took(name, self._monotonic() - began)
        self._metrics.answered(name, answer.code)
        return answer

    def _exchange(self, method: str, url: str, seconds: float, request: dict[str, Any]) -> bytes:
        timeout = (min(seconds, CONNECT_SECONDS), seconds)
        try:
            with self._session.request(
                method, url, timeout=timeout, allow_redirects=False, stream=True, **request
            ) as response:
                return _body_of(response)
        except requests.Timeout:
            raise CallFailed("timeout") from None
        except requests.RequestException:
            # Its text may hold the address of a proxy with its password.
            raise CallFailed("connection failed") from None


def _body_of(response: requests.Response) -> bytes:
    status = response.status_code
    if status != 200:
        refused = 400 <= status < 500 and status not in (408, 429)
        raise CallFailed(f"http {status}", final=refused, wish=_wish_of(response))
    body = b""
    for part in response.iter_content(65_536):
        body += part
        if len(body) > LARGEST_ANSWER:
            raise CallFailed("answer too large")
    return body


def _wish_of(response: requests.Response) -> float:
    """Retry-After in seconds (RFC 9110 section 10.2.3); its other form, a date, is not worth the code."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), LONGEST_WISH) if text.isascii() and text.isdigit() else 0.0
