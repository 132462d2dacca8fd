"""Providers: each builds a request from its settings and says what the answer means."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from onepush_core import ConfigurationError
from onepush_sms.objects import Provider
from onepush_sms.providers.aliyun import AliyunProvider
from onepush_sms.providers.file import FileProvider
from onepush_sms.providers.http import HttpProvider
from onepush_sms.providers.tencent import TencentProvider
from onepush_sms.providers.twilio import TwilioProvider
from onepush_sms.settings import AppSettings

REQUIRED = {
    "aliyun": ("access_key_id", "access_key_secret", "sign_name", "template_code"),
    "tencent": ("secret_id", "secret_key", "sdk_app_id", "sign_name", "template_id"),
    "twilio": ("account_sid", "auth_token", "sender"),
    "http": ("url",),
    "file": ("path",),
}
NAMES_IN_SETTINGS = {"sender": "from"}
SDKS = {"aliyun": "alibabacloud_dysmsapi20170525", "tencent": "tencentcloud"}


def make_provider(where: str, settings: AppSettings, twilio_reports: str | None = None) -> Provider | None:
    """The provider that the settings choose; None: none is chosen.

    ``where``: the settings' table, for messages. ``twilio_reports``: address that Twilio reports to.
    Raises ConfigurationError when something is missing.
    """
    if settings.provider is None:
        return None
    _check_complete(where, settings.provider, getattr(settings, settings.provider))
    makers: dict[str, Callable[[], Provider]] = {
        "aliyun": lambda: AliyunProvider(settings.aliyun),
        "tencent": lambda: TencentProvider(settings.tencent),
        "twilio": lambda: TwilioProvider(settings.twilio, twilio_reports),
        "http": lambda: HttpProvider(settings.http),
        "file": lambda: FileProvider(settings.file),
    }
    try:
        return makers[settings.provider]()
    except ConfigurationError as error:
        raise ConfigurationError(f"{where} {error}") from None


def _check_complete(where: str, name: str, settings: object) -> None:
    for field in REQUIRED[name]:
        if not getattr(settings, field):
            raise ConfigurationError(f"{where} {name}.{NAMES_IN_SETTINGS.get(field, field)}: is missing")
    if name in SDKS and find_spec(SDKS[name]) is None:
        raise ConfigurationError(f"{where} provider: {name} needs its SDK: pip install 'onepush-sms[{name}]'")
