"""Where providers report what became of an SMS: an address for each provider and app, authenticated.

Aliyun and Tencent sign nothing, so their address ends in a MAC; Twilio signs its requests.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from typing import NamedTuple

import falcon
import gevent

from onepush_core import Gateway, OnepushError, Transaction
from onepush_sms.metrics import Metrics
from onepush_sms.objects import Report
from onepush_sms.policies import TWILIO_REPORTS, Policies
from onepush_sms.report_formats import (
    InvalidReport,
    address_mac,
    read_aliyun,
    read_form,
    read_tencent,
    read_twilio,
    twilio_signature,
)
from onepush_sms.settings import GatewaySettings

MOST_BYTES = 1 << 20
BODY_DEADLINE = 10.0
READERS = {"aliyun": read_aliyun, "tencent": read_tencent}
THANKS = {"aliyun": {"code": 0, "msg": "OK"}, "tencent": {"result": 0, "errmsg": "OK"}}
PATH = "/sms/receipts/{provider}/{app}/{mac}"


class UnknownAddress(OnepushError):
    """No such address; a wrong MAC is no different from any other path."""

    code = 40461
    summary = "no such address"


class WrongSignature(OnepushError):
    """The request does not carry Twilio's signature."""

    code = 40361
    summary = "the signature is missing or wrong"


class News(NamedTuple):
    """A report that was not known yet, and what it is about."""

    message: str
    devices: list[int]
    report: Report


def report_address(settings: GatewaySettings, provider: str, app: str) -> str | None:
    """The address at which a provider can report about an app's SMS; None: it cannot.

    Without ``public_url`` only its path, as far as that is worth something.
    """
    base = (settings.public_url or "").rstrip("/")
    if provider == "twilio":
        return f"{base}{TWILIO_REPORTS}/{app}" if base else None
    if provider not in READERS or settings.receipt_secret is None:
        return None
    mac = address_mac(settings.receipt_secret, provider, app)
    return base + PATH.format(provider=provider, app=app, mac=mac)


class Recorder:
    """Writes reports down, each once, and answers only when they are on disk."""

    def __init__(self, gateway: Gateway, metrics: Metrics) -> None:
        self._gateway = gateway
        self._metrics = metrics

    def record(self, provider: str, app: str, reports: list[Report]) -> None:
        """Add to the trails what is news; what is unknown or repeated is counted."""
        results = self._gateway.write(
            lambda transaction: [self._take_in(transaction, provider, app, report) for report in reports]
        )
        for result in results:
            self._metrics.reported(provider, result)

    def _take_in(self, transaction: Transaction, provider: str, app: str, report: Report) -> str:
        """What the report was: its mark and its line in the trail are committed together."""
        found = _take_in(transaction, provider, app, report)
        if isinstance(found, str):
            return found
        outcome = "delivered" if report.delivered else "undelivered"
        self._gateway.note_within(transaction, "sms", found.message, found.devices, outcome, report.code)
        return outcome


class SignedAddress:
    """POST ``/sms/receipts/{provider}/{app}/{mac}``: Aliyun's and Tencent's reports."""

    def __init__(self, settings: GatewaySettings, recorder: Recorder, metrics: Metrics) -> None:
        self._secret = settings.receipt_secret
        self._recorder = recorder
        self._metrics = metrics

    def on_post(self, req: falcon.Request, resp: falcon.Response, provider: str, app: str, mac: str) -> None:
        """Take in a batch of reports. 404: wrong MAC; 400: not reports."""
        if provider not in READERS or self._secret is None:
            raise UnknownAddress
        expected = address_mac(self._secret, provider, app)
        if not hmac.compare_digest(expected.encode(), mac.encode("utf-8", "surrogatepass")):
            self._metrics.reported(provider, "forged")
            raise UnknownAddress
        self._recorder.record(provider, app, READERS[provider](read_body(req)))
        resp.media = THANKS[provider]


class TwilioAddress:
    """POST ``/sms/receipts/twilio/{app}``: Twilio's reports."""

    def __init__(
        self, settings: GatewaySettings, policies: Policies, recorder: Recorder, metrics: Metrics
    ) -> None:
        self._base = (settings.public_url or "").rstrip("/")
        self._policies = policies
        self._recorder = recorder
        self._metrics = metrics

    def on_post(self, req: falcon.Request, resp: falcon.Response, app: str) -> None:
        """Take in a report. 404: no such app of Twilio's; 403: wrong signature."""
        policy = self._policies.of(app)
        if policy is None or policy.provider.name != "twilio" or not self._base:
            raise UnknownAddress
        form = read_form(read_body(req))
        query = req.query_string
        # What Twilio signs is the address it was given: behind a proxy the request's own may differ.
        url = f"{self._base}{TWILIO_REPORTS}/{app}" + (f"?{query}" if query else "")
        expected = twilio_signature(policy.settings.twilio.auth_token, url, form)
        given = req.get_header("X-Twilio-Signature") or ""
        if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass")):
            self._metrics.reported("twilio", "forged")
            raise WrongSignature
        self._recorder.record("twilio", app, read_twilio(form, query))
        resp.status = falcon.HTTP_204


def routes(
    gateway: Gateway, settings: GatewaySettings, policies: Policies, metrics: Metrics
) -> Iterator[tuple[str, object]]:
    """The addresses that are on: those that can be authenticated."""
    recorder = Recorder(gateway, metrics)
    names = {policy.provider.name for policy in policies}
    if settings.receipt_secret is not None and names & READERS.keys():
        yield PATH, SignedAddress(settings, recorder, metrics)
    if settings.public_url is not None and "twilio" in names:
        yield TWILIO_REPORTS + "/{app}", TwilioAddress(settings, policies, recorder, metrics)


def read_body(req: falcon.Request) -> bytes:
    """The whole body, within bounds of size and time. Raises InvalidReport."""
    # Falcon bounds its stream by Content-Length, which a chunked body does not have.
    chunked = "HTTP_TRANSFER_ENCODING" in req.env
    length = MOST_BYTES + 1 if chunked else req.content_length or 0
    if length > MOST_BYTES and not chunked:
        raise InvalidReport("the body is too large")
    with gevent.Timeout(BODY_DEADLINE, InvalidReport("the body did not arrive in time")):
        body = bytes(req.stream.read(length))
    if len(body) > MOST_BYTES:
        raise InvalidReport("the body is too large")
    return body


def _take_in(transaction: Transaction, provider: str, app: str, report: Report) -> News | str:
    """Write a report down; what is news in it, or ``unknown`` or ``repeated``."""
    row = transaction.row(
        "SELECT s.key, m.id, s.devices FROM sms s JOIN app a ON a.key = s.app"
        " JOIN message m ON m.key = s.message WHERE a.id = ? AND s.provider = ?"
        " AND ((s.key = ? AND coalesce(s.reference, ?) = ?) OR s.reference = ?) LIMIT 1",
        (app, provider, report.key or 0, report.reference, report.reference, report.reference),
    )
    if row is None:
        return "unknown"
    outcome = "delivered" if report.delivered else "undelivered"
    written = transaction.execute(
        "UPDATE sms SET report = ?, reference = coalesce(reference, ?) WHERE key = ? AND report IS NULL",
        (outcome, report.reference, row[0]),
    )
    return News(row[1], json.loads(row[2]), report) if written.rowcount else "repeated"
