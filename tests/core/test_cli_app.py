"""Commands that work on the database: app, plugins, migrate."""

import sqlite3

import pytest

from cli_process import Onepush

pytestmark = pytest.mark.once


@pytest.fixture
def onepush(tmp_path):
    """The command, in an empty folder."""
    return Onepush(tmp_path)


def test_app_create_prints_key_once(onepush):
    """The key is printed at creation and is nowhere in the database or in later answers."""
    created = onepush.json("app", "create", "shop")
    assert set(created) == {"appId", "appKey", "name"}
    assert created["name"] == "shop"
    shown = onepush.json("app", "show", created["appId"])
    assert shown["id"] == created["appId"]
    assert created["appKey"] not in str(shown)
    content = b"".join(path.read_bytes() for path in (onepush.folder / "var").iterdir())
    assert created["appId"].encode() in content
    assert created["appKey"].encode() not in content


def test_app_create_prints_text_for_people(onepush):
    """Without --json the id and the key stand on lines of their own."""
    done = onepush.run("app", "create", "shop")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["appId", "appKey"]
    assert "cannot be shown again" in done.stderr


def test_app_disable_and_enable_change_state(onepush):
    """A disabled app is listed as such until it is enabled."""
    app = onepush.json("app", "create", "shop")["appId"]
    assert onepush.json("app", "disable", app)["enabled"] is False
    assert [one["enabled"] for one in onepush.json("app", "list")] == [False]
    assert f"{app} is enabled" in onepush.run("app", "enable", app).stdout


def test_app_rotate_key_gives_another_key(onepush):
    """Rotation prints a new key for the same app."""
    created = onepush.json("app", "create", "shop")
    rotated = onepush.json("app", "rotate-key", created["appId"])
    assert rotated["appId"] == created["appId"]
    assert rotated["appKey"] != created["appKey"]


@pytest.mark.parametrize("command", ["show", "disable", "enable", "rotate-key"])
def test_app_command_refuses_unknown_app(onepush, command):
    """An app that does not exist: one line, exit code 1."""
    done = onepush.run("app", command, "nobody")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "onepush: no such app\n")


def test_migrate_applies_each_migration_once(onepush):
    """The first run brings a new database up to date, the second finds nothing to do."""
    first = onepush.json("migrate")["applied"]
    assert first
    assert onepush.json("migrate")["applied"] == []
    with sqlite3.connect(onepush.folder / "var" / "onepush.db") as database:
        assert database.execute("SELECT count(*) FROM app").fetchone() == (0,)
    database.close()


def test_plugins_lists_hooks_and_states(onepush):
    """The core's own plugins are listed with their hooks."""
    states = {one["name"]: one for one in onepush.json("plugins")}
    assert states["core.key"]["state"] == "active"
    assert "authenticate_app" in states["core.key"]["hooks"]
    table = onepush.run("plugins").stdout.splitlines()
    assert table[0].split() == ["NAME", "VERSION", "API", "STATE", "HOOKS", "WHY"]
    assert table[len(states) + 1] == ""
    assert states.keys() == {line.split()[0] for line in table[1 : len(states) + 1]}


def test_plugins_shows_calling_order(onepush):
    """For each hook, who takes part; for scripts, how many are called before."""
    states = {one["name"]: one for one in onepush.json("plugins")}
    lines = [line.split(maxsplit=1) for line in onepush.run("plugins").stdout.splitlines() if line]
    order = {line[0]: line[1].split(", ") for line in lines}
    assert order["authenticate_app"] == ["core.key"]
    assert states["core.audience"]["places"] == {"resolve_audience": len(order["resolve_audience"]) - 1}


def test_command_refuses_plugin_that_is_not_installed(onepush):
    """A plugin that should be loaded and is not installed is named."""
    done = onepush.run("plugins", ONEPUSH_PLUGINS_LOAD="nosuch")
    assert done.returncode == 1
    assert "nosuch" in done.stderr
    assert len(done.stderr.splitlines()) == 1
