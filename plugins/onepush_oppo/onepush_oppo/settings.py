"""The plugin's settings: the table ``[oppo]``, checked, and what follows from it for each app."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from onepush_core import ConfigurationError, setting_problem
from onepush_oppo.options import NO_OPTIONS, Options, UnfitOption, check_together, merge, read_options

CHINA = "https://api.push.oppomobile.com"
OVERSEAS = "https://api-intl.push.oppomobile.com"
FEEDBACK = "https://feedback.push.oppomobile.com"
LOOPBACK = ("127.0.0.1", "::1", "localhost")

Text = Annotated[str, Meta(min_length=1, max_length=256)]
Url = Annotated[str, Meta(min_length=1, max_length=200)]
PublicUrl = Annotated[str, Meta(min_length=1, max_length=100)]
Target = Literal["registration_id", "alias"]
ContentLimit = Annotated[int, Meta(ge=1, le=200)]


class Credentials(msgspec.Struct, frozen=True):
    """Who we are to OPPO. ``master_secret`` is OPPO's MasterSecret, not its AppSecret."""

    app_key: str
    master_secret: str

    def __repr__(self) -> str:
        return "Credentials(…)"


class AppTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[oppo.apps.<appId>]``: what differs for one app of the gateway."""

    app_key: Text | None = None
    master_secret: Text | None = None
    target: Target | None = None
    content_limit: ContentLimit | None = None
    notification: dict[str, Any] = {}


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table ``[oppo]``. Times are seconds.

    ``target``: ``alias`` addresses by alias instead of by registration id. ``content_limit``: the
    longest text of a style-1 notification. ``notification``: defaults of ``options.oppo``.
    ``public_url``: where OPPO reaches this gateway; ``receipt_secret``: makes the receipt addresses.
    ``feedback_interval``: between two looks at OPPO's list of dead ids, 0: never.
    ``timeout``: for one HTTP call. ``retry_gap``: before the first repetition; each gap doubles.
    ``daily_quota``: messages a day that OPPO grants these credentials, for the metric only; 0: unknown.
    """

    app_key: Text | None = None
    master_secret: Text | None = None
    base_url: Url | None = None
    intl_base_url: Url | None = None
    feedback_url: Url | None = None
    public_url: PublicUrl | None = None
    receipt_secret: Text | None = None
    target: Target = "registration_id"
    content_limit: ContentLimit = 50
    notification: dict[str, Any] = {}
    apps: dict[str, AppTable] = {}
    feedback_interval: Annotated[float, Meta(ge=0, le=604_800)] = 0.0
    timeout: Annotated[float, Meta(gt=0, le=25)] = 10.0
    retry_gap: Annotated[float, Meta(gt=0, le=300)] = 5.0
    daily_quota: Annotated[int, Meta(ge=0)] = 0
    proxy: Url | None = None
    ca_bundle: Text | None = None

    def __repr__(self) -> str:
        return "Settings(…)"


class AppSettings(msgspec.Struct, frozen=True):
    """Everything that holds for one app of the gateway."""

    credentials: Credentials
    by_alias: bool
    content_limit: int
    defaults: Options


class Directory:
    """Which settings hold for which app. Raises ConfigurationError when they do not fit together.

    ``credentials``: all there are, and the table each stands in, which a log may name.
    """

    def __init__(self, settings: Settings) -> None:
        self._default = _resolve("[oppo]", settings, settings)
        self._apps = {
            app: _resolve(f"[oppo.apps.{app}]", settings, table) for app, table in settings.apps.items()
        }
        found = {"[oppo]": self._default, **{f"[oppo.apps.{app}]": one for app, one in self._apps.items()}}
        self.credentials: dict[Credentials, str] = {}
        for table, one in found.items():
            if one is not None:
                self.credentials.setdefault(one.credentials, table)

    def find(self, app_id: str) -> AppSettings | None:
        """The settings of an app; None when there are no credentials for it."""
        return self._apps.get(app_id, self._default)


def read_settings(table: dict[str, Any]) -> Settings:
    """Check the table ``[oppo]``. Raises ConfigurationError that names the key."""
    try:
        settings = msgspec.convert(table, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"[oppo] {setting_problem(str(error))}") from None
    for key in ("base_url", "intl_base_url", "feedback_url", "public_url"):
        _check_url(key, getattr(settings, key))
    Directory(settings)
    return settings


def hosts(settings: Settings) -> tuple[str, str, str]:
    """Base addresses for China, overseas and feedback, without a slash at the end.

    Whoever names a ``base_url`` gets it for all three unless the others are named too: the
    signature then goes to no host that is not in the settings.
    """
    named = settings.base_url
    chosen = (
        named or CHINA,
        settings.intl_base_url or named or OVERSEAS,
        settings.feedback_url or named or FEEDBACK,
    )
    china, overseas, feedback = (url.rstrip("/") for url in chosen)
    return china, overseas, feedback


def _resolve(where: str, settings: Settings, own: AppTable | Settings) -> AppSettings | None:
    if (own.app_key is None) != (own.master_secret is None):
        missing = "app_key" if own.app_key is None else "master_secret"
        raise ConfigurationError(f"{where} {missing}: required beside the other of the pair")
    limit = settings.content_limit if own.content_limit is None else own.content_limit
    defaults = _read_defaults(where, settings, own, limit)
    app_key, master_secret = own.app_key or settings.app_key, own.master_secret or settings.master_secret
    if app_key is None or master_secret is None:
        return None
    by_alias = (own.target or settings.target) == "alias"
    return AppSettings(Credentials(app_key, master_secret), by_alias, limit, defaults)


def _read_defaults(where: str, settings: Settings, own: AppTable | Settings, limit: int) -> Options:
    try:
        common = read_options(settings.notification) if own is not settings else NO_OPTIONS
        defaults = merge(common, read_options(own.notification))
        check_together(defaults, limit)
        if defaults.content is not None:
            raise UnfitOption("content", "every message brings its own")
    except UnfitOption as error:
        raise ConfigurationError(f"{where} notification.{error}") from None
    return defaults


def _check_url(key: str, url: str | None) -> None:
    if url is None:
        return
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigurationError(f"[oppo] {key}: must be http(s)://host[:port][/path]")
    if parts.username is not None:
        raise ConfigurationError(f"[oppo] {key}: must not hold a user name")
    if key != "public_url" and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ConfigurationError(f"[oppo] {key}: must be https, unless it is on this machine")
