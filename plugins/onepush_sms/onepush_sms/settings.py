"""The plugin's settings: the table ``[sms]`` and, over it, ``[sms.apps.<appId>]``, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from onepush_core import ConfigurationError, setting_problem
from onepush_sms.numbers import country_code

Budget = Annotated[int, Meta(ge=0)] | None
Endpoint = Annotated[str, Meta(pattern=r"^https?://[^/?#]+$")]
Url = Annotated[str, Meta(pattern=r"^https?://[^/]")]
HeaderText = Annotated[str, Meta(pattern=r"\A[\t\x20-\x7e\xa0-\xff]*\Z")]
PROVIDERS = ("aliyun", "tencent", "twilio", "http", "file")
LONGEST_DELAY = 259_200


class ProviderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the tables of all providers have in common: they hold secrets, so none is ever printed."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class AliyunSettings(ProviderSettings, frozen=True):
    """``[sms.aliyun]``. ``template_params``: the template's variables, by name."""

    access_key_id: str = ""
    access_key_secret: str = ""
    sign_name: str = ""
    template_code: str = ""
    template_params: dict[str, str] = msgspec.field(default_factory=lambda: {"message": "{smsMessage}"})
    endpoint: Endpoint = "https://dysmsapi.aliyuncs.com"


class TencentSettings(ProviderSettings, frozen=True):
    """``[sms.tencent]``. ``template_params``: the template's variables, in their order."""

    secret_id: str = ""
    secret_key: str = ""
    sdk_app_id: str = ""
    sign_name: str = ""
    template_id: str = ""
    region: str = "ap-guangzhou"
    template_params: tuple[str, ...] = ("{smsMessage}",)
    endpoint: Endpoint = "https://sms.tencentcloudapi.com"


class TwilioSettings(ProviderSettings, frozen=True, rename={"sender": "from"}):
    """``[sms.twilio]``. ``from``: a number or sender name, or a Messaging Service (``MG…``)."""

    account_sid: str = ""
    auth_token: str = ""
    sender: str = ""
    endpoint: Endpoint = "https://api.twilio.com"


class Success(ProviderSettings, frozen=True):
    """``[sms.http.success]``: the statuses, and the fields of the JSON answer, that mean "accepted"."""

    status: int | tuple[int, ...] = tuple(range(200, 300))
    json: dict[str, Any] = {}


class HttpSettings(ProviderSettings, frozen=True):
    """``[sms.http]``: any gateway. ``json`` or ``form``: the body; with GET the form is the query."""

    url: Url = ""
    method: Literal["POST", "PUT", "GET"] = "POST"
    headers: dict[str, HeaderText] = {}
    json: dict[str, Any] | None = None
    form: dict[str, str] | None = None
    success: Success = Success()


class FileSettings(ProviderSettings, frozen=True):
    """``[sms.file]``: a file that gets a line for each SMS."""

    path: str = ""


class AppSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What can be set for all apps and for single ones. Budgets are in segments; None: unlimited.

    ``delay``: seconds to wait when a send names none. ``allowed_prefixes``: beginnings of the numbers
    (``+86``) that may get an SMS; left out: those of ``region``.
    """

    enabled: bool = True
    provider: Literal["aliyun", "tencent", "twilio", "http", "file"] | None = None
    delay: Annotated[float, Meta(ge=0, le=LONGEST_DELAY)] = 60.0
    region: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")] = "CN"
    daily_budget: Budget = 1000
    number_hourly_budget: Budget = 60
    number_daily_budget: Budget = 200
    allowed_prefixes: tuple[Annotated[str, Meta(pattern=r"^\+[1-9][0-9]*$")], ...] | None = None
    max_segments: Annotated[int, Meta(ge=1, le=100)] = 4
    timezone: str = "Asia/Shanghai"
    at_least_once: bool = False
    aliyun: AliyunSettings = AliyunSettings()
    tencent: TencentSettings = TencentSettings()
    twilio: TwilioSettings = TwilioSettings()
    http: HttpSettings = HttpSettings()
    file: FileSettings = FileSettings()

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The beginnings of the numbers that may get an SMS."""
        if self.allowed_prefixes is None:
            return (f"+{country_code(self.region)}",)
        return self.allowed_prefixes


class GatewaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What can be set only once: where providers reach this gateway, and the secret of their addresses."""

    public_url: Annotated[str, Meta(pattern=r"^https?://[^?#]+$")] | None = None
    receipt_secret: Annotated[str, Meta(min_length=16)] | None = None

    def __repr__(self) -> str:
        return f"GatewaySettings(public_url={self.public_url!r}, receipt_secret=…)"


class Settings(NamedTuple):
    """The whole table: what is common, the defaults of all apps, and what single apps make of them."""

    gateway: GatewaySettings
    default: AppSettings
    apps: Mapping[str, AppSettings]


def read_settings(table: Mapping[str, Any]) -> Settings:
    """Check the table ``[sms]``. Raises ConfigurationError that names the key."""
    once = {key: table[key] for key in GatewaySettings.__struct_fields__ if key in table}
    common = {key: value for key, value in table.items() if key not in once and key != "apps"}
    apps = table.get("apps", {})
    if not isinstance(apps, dict) or not all(isinstance(one, dict) for one in apps.values()):
        raise ConfigurationError("[sms] apps: takes one table for each app")
    return Settings(
        _convert("[sms]", once, GatewaySettings),
        _read_app("[sms]", common),
        {app: _read_app(f"[sms.apps.{app}]", _overlay(common, own)) for app, own in apps.items()},
    )


def _overlay(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """An app's table over the common one; a provider's table key by key."""
    merged = {**common, **own}
    for name in PROVIDERS:
        if isinstance(common.get(name), dict) and isinstance(own.get(name), dict):
            merged[name] = {**common[name], **own[name]}
    return merged


def _read_app(where: str, table: Mapping[str, Any]) -> AppSettings:
    settings: AppSettings = _convert(where, table, AppSettings)
    if not country_code(settings.region):
        raise ConfigurationError(f"{where} region: no such region")
    try:
        ZoneInfo(settings.timezone)
    except (KeyError, OSError, ValueError):
        raise ConfigurationError(f"{where} timezone: no such time zone") from None
    return settings


def _convert(where: str, table: Mapping[str, Any], kind: type[Any]) -> Any:
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where} {setting_problem(str(error))}") from None
