"""The table [oppo]: defaults, apps of their own, and errors that name the key but no secret."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

import onepush_oppo
from onepush_core import ConfigurationError
from onepush_oppo.settings import (
    CHINA,
    FEEDBACK,
    OVERSEAS,
    Credentials,
    Directory,
    Settings,
    hosts,
    read_settings,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "oppo.md"
PAIR = {"app_key": "k", "master_secret": "very-secret"}


def test_plugin_without_credentials_is_idle():
    """Without credentials the plugin stops nobody and says why it is idle."""
    plugin = onepush_oppo.create({})
    assert "app_key" in plugin.idle_reason
    assert onepush_oppo.create(PAIR).idle_reason is None


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"app_key": "k"}, "master_secret"),
        ({"master_secret": "very-secret"}, "app_key"),
        ({"master_secrt": "very-secret"}, "master_secrt"),
        ({**PAIR, "target": "very-secret"}, "target"),
        ({**PAIR, "base_url": "ftp://very-secret"}, "base_url"),
        ({**PAIR, "base_url": "http://oppo.example"}, "base_url"),
        ({**PAIR, "base_url": "https://user:very-secret@oppo.example"}, "base_url"),
        ({**PAIR, "timeout": 0}, "timeout"),
        ({**PAIR, "public_url": "https://" + "x" * 100}, "public_url"),
        ({**PAIR, "notification": {"style": 9}}, "notification.style"),
        ({**PAIR, "notification": {"click_action_type": 2}}, "notification.click_action_url"),
        ({**PAIR, "notification": {"content": "very-secret"}}, "notification.content"),
        ({"apps": {"a1": {"app_key": "k"}}}, "apps.a1] master_secret"),
        ({"apps": {"a1": {"secret": "very-secret"}}}, "secret"),
        ({**PAIR, "apps": {"a1": {"notification": {"fix_speed": True}}}}, "notification.fix_speed"),
    ],
)
def test_bad_setting_is_refused_by_key(table, key):
    """A wrong setting stops the start with its key, and never with a value."""
    with pytest.raises(ConfigurationError) as caught:
        read_settings(table)
    assert key in str(caught.value)
    assert "very-secret" not in str(caught.value)


def test_app_of_its_own_differs_from_default():
    """An app's table overrides the default's credentials, target and notification defaults."""
    own = {"app_key": "k2", "master_secret": "s2", "target": "alias", "notification": {"channel_id": "own"}}
    table = {**PAIR, "notification": {"channel_id": "all", "notify_id": 3}, "apps": {"a1": own}}
    directory = Directory(read_settings(table))
    first, second = directory.find("a1"), directory.find("another")
    assert (first.credentials, first.by_alias) == (Credentials("k2", "s2"), True)
    assert (first.defaults.channel_id, first.defaults.notify_id) == ("own", 3)
    assert (second.credentials, second.by_alias) == (Credentials("k", "very-secret"), False)
    assert directory.credentials == {first.credentials: "[oppo.apps.a1]", second.credentials: "[oppo]"}


def test_app_may_have_the_only_credentials():
    """Credentials of one app serve that app alone."""
    directory = Directory(read_settings({"apps": {"a1": PAIR}}))
    assert directory.find("a1") is not None
    assert directory.find("another") is None


def test_named_base_url_stands_for_all_hosts():
    """Who names a base_url is not sent to OPPO's own hosts unless by name."""
    assert hosts(read_settings(PAIR)) == (CHINA, OVERSEAS, FEEDBACK)
    base = "http://127.0.0.1:9/"
    assert hosts(read_settings({**PAIR, "base_url": base})) == ("http://127.0.0.1:9",) * 3
    named = read_settings({**PAIR, "base_url": base, "intl_base_url": "https://intl.example"})
    assert hosts(named)[1] == "https://intl.example"


def test_settings_hide_secrets_in_their_text():
    """Neither settings nor credentials print what they hold."""
    settings = read_settings(PAIR)
    assert "very-secret" not in repr(settings) + repr(Directory(settings).find("x"))


def test_document_lists_all_settings():
    """docs/oppo.md has a row for every key of [oppo], with its default where that is a number."""
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]+) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    documented = {name.strip("` "): default for names, default in rows for name in names.split(",")}
    for field in msgspec.structs.fields(Settings):
        assert field.name in documented
        if isinstance(field.default, (int, float)):
            assert float(documented[field.name]) == field.default
