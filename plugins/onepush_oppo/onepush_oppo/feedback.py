"""OPPO's list of dead registration ids, asked for now and then."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from onepush_core import App, Gateway, OnepushError
from onepush_oppo.client import CallFailed
from onepush_oppo.endpoint import Endpoint, Refused
from onepush_oppo.inbox import NAME, TOGETHER, VENDOR
from onepush_oppo.protocol import INVALID_IDS, parse_invalid_ids
from onepush_oppo.settings import Credentials, Directory

log = structlog.get_logger("onepush.oppo")
PATIENCE = 20.0


class Feedback:
    """Forgets the addresses that OPPO lists. ``url``: OPPO's feedback host."""

    def __init__(
        self,
        gateway: Gateway,
        directory: Directory,
        endpoint: Callable[[Credentials], Endpoint],
        url: str,
    ) -> None:
        self._gateway = gateway
        self._directory = directory
        self._endpoint = endpoint
        self._url = url + INVALID_IDS

    def run(self) -> None:
        """Ask once for each credentials; a failure of one does not keep the others from being asked."""
        for credentials, table in self._directory.credentials.items():
            try:
                self._run_for(credentials)
            except (CallFailed, Refused, OnepushError) as error:
                log.warning("oppo_feedback_failed", table=table, reason=str(error))

    def _run_for(self, credentials: Credentials) -> None:
        deadline = self._gateway.clock.monotonic() + PATIENCE
        answer = self._endpoint(credentials).get(self._url, deadline)
        if answer.code != 0:
            raise Refused(answer)
        tokens = parse_invalid_ids(answer)
        forgotten = sum(self._forget(app, tokens) for app in self._apps(credentials)) if tokens else 0
        log.info("oppo_feedback", listed=len(tokens), forgotten=forgotten)

    def _apps(self, credentials: Credentials) -> list[App]:
        """The gateway's apps that send with these credentials."""
        found = (self._gateway.directory.find(app["id"]) for app in self._gateway.apps())
        return [app for app in found if app is not None and self._uses(app, credentials)]

    def _uses(self, app: App, credentials: Credentials) -> bool:
        settings = self._directory.find(app.id)
        return settings is not None and settings.credentials == credentials

    def _forget(self, app: App, tokens: Sequence[str]) -> int:
        forgotten = 0
        for start in range(0, len(tokens), TOGETHER):
            devices = self._gateway.find_by_tokens(app.key, VENDOR, tokens[start : start + TOGETHER])
            if devices:
                self._gateway.forget(NAME, devices)
            forgotten += len(devices)
        return forgotten
