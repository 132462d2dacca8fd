"""Options of a send and defaults of the settings: checked, and refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from onepush_bark import create
from onepush_core import ConfigurationError
from onepush_core.testing import Client


@pytest.fixture
def plugins() -> dict[str, object]:
    """Bark, whose server is asked for nothing here."""
    return {"bark": create({"url": "http://127.0.0.1:9"})}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"levle": "active"}, "options.bark.levle"),
        ({"level": "loud"}, "options.bark.level"),
        ({"group": ""}, "options.bark.group"),
        ({"call": "1"}, "options.bark.call"),
        ({"device_keys": ["somebody else's"]}, "options.bark.device_keys"),
    ],
)
def test_send_with_a_wrong_option_is_refused(client: Client, options: Any, field: str) -> None:
    """With a 400 that names it."""
    answer = client.try_send("ann", options={"bark": options})
    assert answer.status_code == 400
    assert answer.json["message"].startswith(f"{field}: ")


def test_send_with_good_options_is_taken(client: Client) -> None:
    """All of them."""
    options = {"level": "critical", "subtitle": "s", "sound": "x", "group": "g", "icon": "i", "url": "u"}
    answer = client.try_send("ann", options={"bark": {**options, "copy": "c", "call": True, "archive": True}})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"notification": {"level": "loud"}}, r"\[bark\] notification\.level: "),
        ({"url": "ftp://x"}, r"\[bark\] .*url"),
        ({"url": "http://user:password@x"}, r"\[bark\] .*url"),
        ({"batch": 0}, r"\[bark\] .*batch"),
        ({"nobody": 1}, r"\[bark\] .*nobody"),
    ],
)
def test_wrong_setting_stops_the_start(table: dict[str, Any], problem: str) -> None:
    """With a line that names it, and not its value."""
    with pytest.raises(ConfigurationError, match=problem) as caught:
        create(table)
    assert "password@" not in str(caught.value)


def test_plugin_without_a_server_is_idle() -> None:
    """And says why."""
    assert create({}).idle_reason == "no url in [bark]"
