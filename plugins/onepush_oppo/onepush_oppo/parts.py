"""How the parts are put together for one gateway."""

from __future__ import annotations

from typing import NamedTuple

from onepush_core import Gateway
from onepush_oppo.account import Account
from onepush_oppo.attempts import Attempts
from onepush_oppo.client import Client
from onepush_oppo.endpoint import Endpoint
from onepush_oppo.feedback import Feedback
from onepush_oppo.inbox import NAME
from onepush_oppo.metrics import Metrics
from onepush_oppo.receipts import address_of
from onepush_oppo.sending import Tools
from onepush_oppo.settings import Credentials, Directory, Settings, hosts
from onepush_oppo.verdicts import Verdicts

SHARE = 0.8
"""Of the core's deadline: what is not done by then is said to have failed, instead of being cut off."""


class Parts(NamedTuple):
    """What one gateway's deliveries need."""

    client: Client
    metrics: Metrics
    tools: Tools
    feedback: Feedback


class Endpoints:
    """One endpoint for each credentials and host, however many apps share them."""

    def __init__(self, gateway: Gateway, settings: Settings, directory: Directory, client: Client) -> None:
        self._china, self._overseas, _ = hosts(settings)
        self.accounts = {
            one: Account(one, table, settings.daily_quota, gateway.clock)
            for one, table in directory.credentials.items()
        }
        self._endpoints = {
            (credentials, url): Endpoint(account, url, client, gateway.clock)
            for credentials, account in self.accounts.items()
            for url in (self._china, self._overseas)
        }

    def find(self, credentials: Credentials, in_china: bool = True) -> Endpoint:
        """Where devices of this region are reached with these credentials."""
        return self._endpoints[credentials, self._china if in_china else self._overseas]

    def paused(self, in_china: bool) -> int:
        """How many of a region's endpoints have their breaker open."""
        found = (self.find(credentials, in_china) for credentials in self.accounts)
        return sum(endpoint.breaker.pause_left() > 0 for endpoint in found)


def assemble(gateway: Gateway, settings: Settings, directory: Directory) -> Parts:
    """Make the parts; nothing runs yet."""
    metrics = Metrics(gateway.metrics.registry)
    client = Client(settings, metrics, gateway.clock.monotonic)
    endpoints = Endpoints(gateway, settings, directory, client)
    _watch(metrics, endpoints)
    tools = Tools(
        endpoint=lambda app, in_china: endpoints.find(app.credentials, in_china),
        verdicts=Verdicts(Attempts(settings.retry_gap), metrics),
        clock=gateway.clock,
        is_over=gateway.is_cancelled,
        note=lambda message, devices, reason: gateway.note(NAME, message, devices, "note", reason),
        receipt_address=lambda app_id: receipt_address(settings, app_id),
        seconds=gateway.settings.delivery.deadline * SHARE,
    )
    feedback = Feedback(gateway, directory, endpoints.find, hosts(settings)[2])
    return Parts(client, metrics, tools, feedback)


def receipt_address(settings: Settings, app_id: str) -> str | None:
    """Where OPPO is to send receipts; None without a secret or an address it could reach."""
    if settings.public_url is None or settings.receipt_secret is None:
        return None
    return address_of(settings.public_url, settings.receipt_secret, app_id)


def _watch(metrics: Metrics, endpoints: Endpoints) -> None:
    accounts = list(endpoints.accounts.values())
    metrics.watch(
        {"china": lambda: endpoints.paused(True), "overseas": lambda: endpoints.paused(False)},
        lambda: sum(account.pause_left() > 0 for account in accounts),
        lambda: sum(account.quota_left() for account in accounts),
    )
