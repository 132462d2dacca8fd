"""The table ``[sms]``: defaults, single apps, and errors that name the key and no secret."""

from __future__ import annotations

import pytest

from onepush_core import ConfigurationError
from onepush_sms import create
from onepush_sms.settings import read_settings

ALIYUN = {
    "access_key_id": "id",
    "access_key_secret": "a-secret-value",
    "sign_name": "sign",
    "template_code": "SMS_1",
}
TWILIO = {"account_sid": "AC1", "auth_token": "a-secret-value", "from": "+1500"}


def test_settings_have_careful_defaults():
    """60 seconds, China only, days of Shanghai, and budgets that end a runaway loop."""
    found = read_settings({}).default
    assert (found.enabled, found.delay, found.region, found.timezone) == (True, 60, "CN", "Asia/Shanghai")
    assert found.prefixes == ("+86",)
    assert (found.daily_budget, found.number_hourly_budget, found.number_daily_budget) == (1000, 60, 200)
    assert found.at_least_once is False


def test_settings_without_provider_are_idle():
    """Installed and not configured: idle, with the reason, and without tables of its own."""
    plugin = create({})
    assert plugin.idle_reason == "no provider is set in [sms]"
    assert plugin.migrations is None
    assert create({"provider": "file", "file": {"path": "x"}}).idle_reason is None


def test_app_settings_lie_over_common_ones():
    """An app's table wins key by key, inside a provider's table too."""
    found = read_settings(
        {
            "provider": "twilio",
            "delay": 10,
            "twilio": TWILIO,
            "apps": {"app-1": {"delay": 0, "twilio": {"from": "MG2"}}, "app-2": {"provider": "file"}},
        }
    )
    assert (found.apps["app-1"].delay, found.apps["app-1"].twilio.sender) == (0, "MG2")
    assert found.apps["app-1"].twilio.auth_token == "a-secret-value"
    assert (found.apps["app-2"].provider, found.apps["app-2"].delay) == ("file", 10)


def test_provider_can_be_set_for_one_app_only():
    """Without a common provider only the apps that have one send SMS."""
    plugin = create({"apps": {"app-1": {"provider": "file", "file": {"path": "x"}}}})
    assert plugin.idle_reason is None
    assert plugin._policies.of("app-2") is None
    assert plugin._policies.of("app-1").provider.name == "file"


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"colour": 1}, "colour"),
        ({"delay": "soon"}, r"\] delay"),
        ({"delay": -1}, r"\] delay"),
        ({"daily_budget": True}, r"\] daily_budget"),
        ({"daily_budget": -1}, r"\] daily_budget"),
        ({"max_segments": 0}, r"\] max_segments"),
        ({"provider": "pigeon"}, r"\] provider"),
        ({"region": "XX"}, "region"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"allowed_prefixes": ["86"]}, r"\] allowed_prefixes"),
        ({"receipt_secret": "short"}, r"\] receipt_secret"),
        ({"public_url": "push.example"}, r"\] public_url"),
        ({"apps": {"a": {"receipt_secret": "s" * 16}}}, r"sms\.apps\.a\] .*receipt_secret"),
        ({"apps": {"a": 5}}, "apps"),
        ({"provider": "aliyun"}, "aliyun.access_key_id"),
        ({"provider": "aliyun", "aliyun": {**ALIYUN, "endpoint": "dysms.example"}}, r"\] aliyun\.endpoint"),
        ({"provider": "twilio", "twilio": {**TWILIO, "from": ""}}, r"twilio\.from"),
        ({"provider": "twilio", "twilio": {**TWILIO, "token": "x"}}, "token"),
        ({"provider": "http", "http": {"url": "http://x", "json": {"a": "{text}"}}}, r"^\[sms\] http\.json"),
        ({"provider": "http", "http": {"url": "sms.example/send"}}, r"\] http\.url"),
        ({"provider": "http", "http": {"url": "http://x", "headers": {"X": "中"}}}, r"\] http\.headers"),
        ({"provider": "http", "http": {"url": "http://x", "headers": {"X": "a\n"}}}, r"\] http\.headers"),
        ({"provider": "http", "http": {"url": "http://x", "json": {}, "form": {}}}, r"http\.form"),
        ({"provider": "file"}, r"file\.path"),
    ],
)
def test_wrong_settings_name_the_key(table, told):
    """An unknown key, a wrong type or a missing credential stops the start; no secret is printed."""
    with pytest.raises(ConfigurationError, match=told) as refused:
        create(table)
    assert "a-secret-value" not in str(refused.value)


def test_settings_never_print_secrets():
    """Neither repr shows a credential."""
    settings = read_settings({"aliyun": ALIYUN, "twilio": TWILIO, "receipt_secret": "s" * 16})
    assert "a-secret-value" not in repr(settings)
    assert "s" * 16 not in repr(settings)
