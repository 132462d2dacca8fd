"""The table ``[ws]``."""

from __future__ import annotations

import pytest

from onepush_core import ConfigurationError
from onepush_ws.settings import read_settings


def test_settings_have_defaults():
    """An empty table will do."""
    settings = read_settings({})
    assert (settings.ping_interval, settings.ping_timeout, settings.out_bytes) == (25.0, 8.0, 1 << 20)


def test_settings_take_strings_from_environment():
    """Environment variables are strings."""
    assert read_settings({"ping_interval": "30", "page": "false"}).ping_interval == 30.0


BAD = {
    "pings": 1,
    "ping_interval": 0,
    "max_connections": "many",
    "origins": "https://a.example",
    "ping_timeout": 25,
    "out_bytes": 10,
    "drain_seconds": 3,
}


@pytest.mark.parametrize("name", BAD)
def test_bad_setting_is_named(name):
    """Unknown keys and bad values stop the start, and the error names the key."""
    with pytest.raises(ConfigurationError, match=rf"\[ws\].*{name}"):
        read_settings({name: BAD[name]})
