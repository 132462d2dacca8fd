"""Our standing with OPPO at one host: a token, fetched once for all who wait for it, and a breaker."""

from __future__ import annotations

from collections.abc import Callable

import gevent
from gevent.event import AsyncResult

from onepush_core import Breaker
from onepush_oppo.account import Account, Clock
from onepush_oppo.client import CallFailed, Client
from onepush_oppo.codes import Action, rule_of
from onepush_oppo.protocol import AUTH, Answer, MalformedAnswer, auth_form, parse_token

TOKEN_SECONDS = 23.5 * 3600
"""A token lives 24 hours (document 11234)."""


class Refused(Exception):
    """OPPO gave no token, for this reason."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"code {answer.code}")
        self.answer = answer


class Endpoint:
    """One account at one host."""

    def __init__(self, account: Account, base_url: str, client: Client, clock: Clock) -> None:
        self.account = account
        self.breaker = Breaker(monotonic=clock.monotonic)
        self._base_url = base_url
        self._client = client
        self._clock = clock
        self._token: tuple[str, float] | None = None
        self._fetching: AsyncResult[str] | None = None

    def pause_left(self) -> tuple[float, str]:
        """Seconds for which nothing is to be sent, and why; 0 when open."""
        closed = self.account.pause_left()
        if closed:
            return closed, "daily quota used up"
        return self.breaker.pause_left(), "breaker open"

    def failed(self) -> None:
        """A call came to nothing. Those that end while the breaker is open were begun before."""
        if not self.breaker.pause_left():
            self.breaker.failed()

    def post(self, path: str, body: Callable[[str], bytes], deadline: float) -> Answer:
        """Call with a token, and once more with a new one if OPPO wants that.

        ``body``: makes the form from the token. ``deadline``: by the monotonic clock.
        Raises CallFailed, Refused.
        """
        url = self._base_url + path
        return self._with_token(
            lambda token: self._client.post(url, body(token), self._left(deadline)), deadline
        )

    def get(self, url: str, deadline: float) -> Answer:
        """The same for a question to another host. Raises CallFailed, Refused."""
        return self._with_token(lambda token: self._client.get(url, token, self._left(deadline)), deadline)

    def _with_token(self, call: Callable[[str], Answer], deadline: float) -> Answer:
        token = self._current_token(deadline)
        answer = call(token)
        if rule_of(answer.code).action is not Action.RENEW:
            return answer
        self._forget(token)
        return call(self._current_token(deadline))

    def _left(self, deadline: float) -> float:
        return deadline - self._clock.monotonic()

    def _forget(self, token: str) -> None:
        """Unless somebody else has fetched a newer one meanwhile."""
        if self._token is not None and self._token[0] == token:
            self._token = None

    def _current_token(self, deadline: float) -> str:
        """The cached token; of many callers that need a new one, one fetches it and the others wait."""
        if self._token is not None and self._token[1] > self._clock.monotonic():
            return self._token[0]
        if self._fetching is not None:
            return self._wait_for(self._fetching, deadline)
        fetching: AsyncResult[str] = AsyncResult()
        self._fetching = fetching
        try:
            token = self._fetch(deadline)
        except BaseException as error:
            fetching.set_exception(error if isinstance(error, Exception) else CallFailed("timeout"))
            raise
        finally:
            self._fetching = None
        self._token = token, self._clock.monotonic() + TOKEN_SECONDS
        fetching.set(token)
        return token

    def _wait_for(self, fetching: AsyncResult[str], deadline: float) -> str:
        try:
            token: str = fetching.get(timeout=max(0.0, self._left(deadline)))  # type: ignore[assignment]
        except gevent.Timeout:
            raise CallFailed("timeout") from None
        return token

    def _fetch(self, deadline: float) -> str:
        answer = self._ask_for_token(deadline)
        if rule_of(answer.code).action is Action.CLOCK:
            answer = self._ask_for_token(deadline)
        if answer.code != 0:
            raise Refused(answer)
        try:
            return parse_token(answer)
        except MalformedAnswer:
            raise CallFailed("malformed answer") from None

    def _ask_for_token(self, deadline: float) -> Answer:
        credentials = self.account.credentials
        form = auth_form(credentials.app_key, credentials.master_secret, self._clock.now())
        return self._client.post(self._base_url + AUTH, form, self._left(deadline))
