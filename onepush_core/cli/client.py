"""The commands' HTTP side: one small client for a running gateway, and the options that lead to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from onepush_core.cli.failures import CannotReach, Failure, TimedOut

if TYPE_CHECKING:
    import requests

Command = Callable[..., Any]
TIMEOUT = (3.0, 15.0)  # seconds to connect, and to wait for an answer
DEFAULT_URL = "http://127.0.0.1:8080"


def client_options(command: Command) -> Command:
    """Add ``--url``, ``--app`` and ``--key`` to a command."""
    key = click.option("--key", "app_key", envvar="ONEPUSH_APP_KEY", required=True, help="key of the app")
    app = click.option("--app", "app_id", envvar="ONEPUSH_APP_ID", required=True, help="id of the app")
    url = click.option("--url", envvar="ONEPUSH_URL", default=DEFAULT_URL, help="address of the gateway")
    return url(app(key(command)))


class Client:
    """Calls of one app to one gateway; each failure is a Failure with its exit code."""

    def __init__(self, session: requests.Session, url: str, app_id: str, app_key: str) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._app_id = app_id
        self._app_key = app_key

    def send(self, body: dict[str, Any], idempotency_key: str | None = None) -> dict[str, Any]:
        """Send a message; the answer holds ``requestId``."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        body = {"appId": self._app_id, "appKey": self._app_key} | body
        return self._call("POST", "/msgpush/send", json=body, headers=headers)

    def status(self, request_id: str) -> dict[str, Any]:
        """What became of a message."""
        from urllib.parse import quote

        path = f"/v1/messages/{quote(request_id, safe='')}"
        return self._call("GET", path, auth=(self._app_id, self._app_key))

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        import requests

        try:
            response = self._session.request(
                method, self._url + path, timeout=TIMEOUT, allow_redirects=False, **options
            )
        except requests.Timeout as error:
            raise TimedOut(f"{self._url} does not answer in time") from error
        except (requests.RequestException, UnicodeError) as error:
            raise CannotReach(f"cannot reach {self._url}") from error
        return _content(response)


def open_client(url: str, app_id: str, app_key: str) -> Client:
    """A client that takes nothing from the environment: no proxy, no .netrc."""
    import requests

    session = requests.Session()
    session.trust_env = False
    return Client(session, url, app_id, app_key)


def _content(response: requests.Response) -> dict[str, Any]:
    """The JSON object of an answer; raises Failure for an error and for what is not from a gateway."""
    try:
        content = response.json()
    except ValueError as error:
        raise Failure(f"HTTP {response.status_code}, and no JSON: is this a onepush gateway?") from error
    if response.ok and isinstance(content, dict):
        return content
    detail = content if isinstance(content, dict) else {}
    code, text = detail.get("code", response.status_code), detail.get("message", "refused")
    raise Failure(f"{text} ({code})")
