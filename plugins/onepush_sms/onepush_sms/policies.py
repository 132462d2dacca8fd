"""What holds for each app: its settings, its provider, and when one of its messages may become an SMS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

from onepush_core import Draft, InvalidField, Message
from onepush_sms.objects import Provider
from onepush_sms.providers import make_provider
from onepush_sms.settings import AppSettings, Settings

TWILIO_REPORTS = "/sms/receipts/twilio"
Maker = Callable[[str, AppSettings, str | None], Provider | None]


class Policy(NamedTuple):
    """The settings of an app, with its provider made."""

    settings: AppSettings
    provider: Provider
    zone: ZoneInfo

    def wait(self, message: Message | Draft) -> int:
        """Milliseconds between acceptance and SMS."""
        delay = self.settings.delay if message.sms_delay is None else message.sms_delay
        return round(delay * 1000)

    def check(self, draft: Draft) -> None:
        """Refuse a send whose SMS could never go. Raises InvalidField."""
        if draft.sms_message is None:
            return
        if not draft.sms_message.strip():
            raise InvalidField("smsMessage", "must not be blank")
        segments = self.provider.count_segments(draft.sms_message)
        if segments > self.settings.max_segments:
            most = self.settings.max_segments
            raise InvalidField("smsMessage", f"is {segments} segments long, at most {most} are allowed")
        self._check_delay(draft)
        for key in sorted(self.provider.extra_keys):
            if not isinstance(draft.extra, dict) or draft.extra.get(key) is None:
                raise InvalidField("extra", f"the SMS template needs a value for {key!r}")

    def _check_delay(self, draft: Draft) -> None:
        # With duration 0 the first round is all there is, and an SMS without delay belongs to it.
        wait = self.wait(draft)
        if wait >= draft.duration * 1000 and (wait or draft.duration):
            raise InvalidField(
                "smsDelay", f"{wait / 1000:g} s is not shorter than the message's life of {draft.duration} s"
            )


class Policies:
    """The policy of each app. ``make``: makes providers. Raises ConfigurationError when one is incomplete."""

    def __init__(self, settings: Settings, make: Maker = make_provider) -> None:
        public_url = settings.gateway.public_url
        reports = public_url.rstrip("/") + TWILIO_REPORTS if public_url else None
        self._default = _policy(make, "[sms]", settings.default, reports)
        self._apps = {
            app: _policy(make, f"[sms.apps.{app}]", own, reports) for app, own in settings.apps.items()
        }

    def of(self, app: str) -> Policy | None:
        """The policy of the app with this id; None: it has no provider, so it sends no SMS."""
        return self._apps.get(app, self._default)

    def __iter__(self) -> Iterator[Policy]:
        return (one for one in (self._default, *self._apps.values()) if one is not None)


def _policy(make: Maker, where: str, settings: AppSettings, reports: str | None) -> Policy | None:
    provider = make(where, settings, reports)
    return None if provider is None else Policy(settings, provider, ZoneInfo(settings.timezone))
