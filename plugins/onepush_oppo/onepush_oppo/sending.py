"""Handing devices of a message to OPPO: grouped by host, a thousand to a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from onepush_core import Device, Message, Outcomes, Status
from onepush_oppo import protocol
from onepush_oppo.account import Clock
from onepush_oppo.client import CallFailed
from onepush_oppo.codes import Action, rule_of
from onepush_oppo.endpoint import Endpoint, Refused
from onepush_oppo.notification import Notification, make_notification, yielding
from onepush_oppo.options import UnfitOption, merge, read_options
from onepush_oppo.protocol import ALIAS, REGISTRATION_ID, Envelope, MalformedAnswer
from onepush_oppo.settings import AppSettings
from onepush_oppo.verdicts import Targets, Verdicts, failed, keys_of


class Group(NamedTuple):
    """Targets that go in the same calls."""

    endpoint: Endpoint
    by_alias: bool


class Tools(NamedTuple):
    """What a delivery needs of its surroundings.

    ``endpoint(credentials, in_china)``; ``is_over(message)``: cancelled meanwhile; ``note``: a line for
    the trail of these devices; ``receipt_address(app id)``: None when receipts are off; ``seconds``:
    how long one delivery may take.
    """

    endpoint: Callable[[AppSettings, bool], Endpoint]
    verdicts: Verdicts
    clock: Clock
    is_over: Callable[[Message], bool]
    note: Callable[[Message, Sequence[int], str], None]
    receipt_address: Callable[[str], str | None]
    seconds: float


class Delivery:
    """One call of ``deliver``."""

    def __init__(self, tools: Tools, app: AppSettings, message: Message) -> None:
        self._tools = tools
        self._app = app
        self._message = message
        self._deadline = tools.clock.monotonic() + tools.seconds

    def run(self, devices: Sequence[Device]) -> Iterable[Outcomes]:
        """Outcomes of all devices, as the calls come back."""
        try:
            notification = self._notification(self._tools.receipt_address(self._message.app.id))
        except UnfitOption as error:
            # Accepted by an earlier version, or under other defaults.
            return failed([device.key for device in devices], f"unfit option {error.field}")
        return self._send_all(devices, notification)

    def _send_all(self, devices: Sequence[Device], notification: Notification) -> Iterable[Outcomes]:
        malformed = [device.key for device in devices if not self._has_address(device)]
        if malformed:
            yield Outcomes(malformed, Status.GONE, "malformed registration id")
            devices = [device for device in devices if self._has_address(device)]
        for group, targets in self._grouped(devices).items():
            yield from self._send(group, targets, notification)

    def _has_address(self, device: Device) -> bool:
        return protocol.is_registration_id(device.token) or self._goes_by_alias(device)

    def _goes_by_alias(self, device: Device) -> bool:
        return self._app.by_alias and protocol.is_alias(device.alias)

    def _notification(self, call_back_url: str | None) -> Notification:
        chosen = self._message.options.get("oppo")
        defaults = yielding(self._app.defaults, self._message)
        options = defaults if chosen is None else merge(defaults, read_options(chosen))
        now = self._tools.clock.now()
        return make_notification(self._message, options, self._app.content_limit, now, call_back_url)

    def _grouped(self, devices: Sequence[Device]) -> dict[Group, Targets]:
        groups: dict[Group, Targets] = {}
        for device in devices:
            by_alias = self._goes_by_alias(device)
            in_china = protocol.is_in_china(device.token)
            group = Group(self._tools.endpoint(self._app, in_china), by_alias)
            target = device.alias if by_alias else device.token
            groups.setdefault(group, {}).setdefault(target, []).append(device.key)
        return groups

    def _send(self, group: Group, targets: Targets, notification: Notification) -> Iterable[Outcomes]:
        (endpoint, by_alias), message, verdicts = group, self._message, self._tools.verdicts
        pause, why = endpoint.pause_left()
        if pause:
            return failed(keys_of(targets), why, round(pause + 0.5))
        if message.expires_at <= self._tools.clock.now() or self._tools.is_over(message):
            return failed(keys_of(targets), "expired or cancelled")
        try:
            answer = self._call(group, targets, notification)
            items = protocol.parse_items(answer, list(targets)) if answer.code == 0 else None
        except (CallFailed, MalformedAnswer) as error:
            failure = error if isinstance(error, CallFailed) else CallFailed("malformed answer")
            return verdicts.of_failure(endpoint, message, targets, failure)
        except Refused as error:
            return verdicts.of_answer(endpoint, message, targets, error.answer, by_alias)
        if answer.code == 0 and notification.note is not None:
            self._tools.note(message, keys_of(targets), notification.note)
        if items is not None:
            return verdicts.of_items(endpoint, message, targets, items, by_alias)
        if len(targets) > 1 and rule_of(answer.code, answer.text).action is Action.GONE:
            # One bad target, and OPPO does not say which: app_message_id absorbs what is sent again.
            return (outcome for half in halves(targets) for outcome in self._send(group, half, notification))
        return verdicts.of_answer(endpoint, message, targets, answer, by_alias)

    def _call(self, group: Group, targets: Targets, notification: Notification) -> protocol.Answer:
        envelopes = self._envelopes(group, targets, notification)
        if len(envelopes) == 1:
            path, form = protocol.UNICAST, protocol.unicast_form(envelopes[0])
        else:
            path, form = protocol.BATCH, protocol.batch_form(envelopes)
        return group.endpoint.post(path, lambda token: protocol.with_token(token, form), self._deadline)

    def _envelopes(self, group: Group, targets: Targets, notification: Notification) -> list[str]:
        body, verify, _ = notification
        if group.by_alias:
            # OPPO sends receipts for registration ids only (document 11239).
            body = {name: value for name, value in body.items() if name != "call_back_url"}
        envelope = Envelope(ALIAS if group.by_alias else REGISTRATION_ID, body, verify)
        if "call_back_url" not in body:
            return [envelope.for_target(target) for target in targets]
        return [
            envelope.for_target(target, f"{self._message.id}.{keys[0]}") for target, keys in targets.items()
        ]


def halves(targets: Targets) -> list[Targets]:
    """Both halves of at least two targets."""
    pairs = list(targets.items())
    middle = len(pairs) // 2
    return [dict(pairs[:middle]), dict(pairs[middle:])]
