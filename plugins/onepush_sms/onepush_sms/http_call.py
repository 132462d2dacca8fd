"""One HTTP call, and what its failure means: surely not sent, or perhaps sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import requests
from requests import exceptions
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from onepush_sms.objects import Answer, Verdict

CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 8.0
MOST_BYTES = 65_536
NEVER_LEFT = (NewConnectionError, ConnectTimeoutError, NameResolutionError, ConnectionRefusedError)


class Reply(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    retry_after: float | None


class Caller:
    """Makes calls, each on a connection of its own.

    A connection that was kept and that the peer closes at the wrong moment looks like an answer that
    was lost: such an SMS could not be tried again.
    """

    def __init__(self, timeout: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT)) -> None:
        self._timeout = timeout

    def call(self, method: str, url: str, **options: Any) -> Reply | Answer:
        """The reply, or what it means that there is none. ``options``: as ``requests.request`` takes them."""
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Connection"] = "close"
            try:
                return self._call(session, method, url, options)
            except requests.RequestException as error:
                return meaning_of(error)

    def _call(self, session: requests.Session, method: str, url: str, options: dict[str, Any]) -> Reply:
        with session.request(
            method, url, timeout=self._timeout, allow_redirects=False, stream=True, **options
        ) as response:
            body = bytearray()
            for part in response.iter_content(8192):
                body += part
                if len(body) > MOST_BYTES:
                    break
            return Reply(response.status_code, bytes(body), _seconds(response.headers.get("Retry-After")))


def meaning_of(error: BaseException) -> Answer:
    """Whether the request of a failed call may have been carried out."""
    if isinstance(error, (exceptions.InvalidURL, exceptions.InvalidHeader, exceptions.InvalidSchema)):
        return Answer(Verdict.REFUSED, "the request cannot be made")
    if any(isinstance(one, NEVER_LEFT) for one in _causes(error)):
        return Answer(Verdict.UNREACHABLE, "provider unreachable")
    if any(isinstance(one, exceptions.Timeout) for one in _causes(error)):
        return Answer(Verdict.AMBIGUOUS, "no answer in time")
    return Answer(Verdict.AMBIGUOUS, "connection lost")


def _causes(error: BaseException, depth: int = 8) -> Iterator[BaseException]:
    """The error and what lies beneath it, however it was wrapped."""
    yield error
    if depth == 0:
        return
    beneath = (error.__cause__, error.__context__, getattr(error, "reason", None), *error.args)
    for one in beneath:
        if isinstance(one, BaseException):
            yield from _causes(one, depth - 1)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else None
