"""Calls of OPPO: the core's HTTP client, measured, and what becomes of a call that brings no answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onepush_core import HttpClient, NoAnswer
from onepush_oppo.metrics import Metrics
from onepush_oppo.protocol import FORM, Answer, MalformedAnswer, parse_answer
from onepush_oppo.settings import Settings

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
        self._metrics = metrics
        self._monotonic = monotonic
        proxy = settings.proxy
        self._http = HttpClient(
            settings.timeout,
            headers={"User-Agent": "onepush-oppo"},
            verify=settings.ca_bundle or True,
            proxies={"http": proxy, "https": proxy} if proxy else None,
        )

    def post(self, url: str, body: bytes, patience: float) -> Answer:
        """Send a form. ``patience``: seconds the caller has left. Raises CallFailed."""
        return self._call("POST", url, patience, data=body, headers={"Content-Type": FORM})

    def get(self, url: str, token: str, patience: float) -> Answer:
        """Ask with the token in a header, where no access log sees it. Raises CallFailed."""
        return self._call("GET", url, patience, headers={"auth_token": token})

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def _call(self, method: str, url: str, patience: float, **request: Any) -> Answer:
        if patience <= 0:
            raise NoTimeLeft
        name, began = url.rpartition("/")[2], self._monotonic()
        try:
            answer = parse_answer(self._exchange(method, url, patience, request))
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

    def _exchange(self, method: str, url: str, patience: float, request: dict[str, Any]) -> bytes:
        try:
            answer = self._http.call(method, url, seconds=patience, **request)
        except NoAnswer as error:
            raise CallFailed(error.reason) from None
        if answer.status != 200:
            refused = 400 <= answer.status < 500 and answer.status not in (408, 429)
            wish = min(answer.retry_after or 0.0, LONGEST_WISH)
            raise CallFailed(f"http {answer.status}", final=refused, wish=wish)
        return answer.body
