"""Settings: sources, their order, and errors that name the place and hide the value."""

import re
from pathlib import Path

import pytest

from onepush_core import ConfigurationError
from onepush_core.settings import OTHER_VARIABLES, Settings, setting_problem
from onepush_core.settings_sources import listen_address, load_settings, stray_variables
from settings_table import settings_table

pytestmark = pytest.mark.once  # settings, not the store

DOCS = Path(__file__).resolve().parents[2] / "docs"
SECRET = "s3cret-value"


@pytest.fixture
def write_config(tmp_path):
    """Write a TOML file; returns its path."""

    def write(text):
        path = tmp_path / "onepush.toml"
        path.write_text(text)
        return str(path)

    return write


def error_of(**sources):
    """The one line that these sources are refused with."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(**sources)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_settings_have_defaults():
    """Without any source every setting has its default."""
    assert load_settings() == Settings()
    assert Settings().delivery.resend_gaps == (10.0, 30.0, 60.0, 300.0)


def test_later_sources_win_over_earlier_ones(write_config):
    """A flag beats a variable, a variable beats the file, the file beats the default."""
    config = write_config('[server]\nbind = "127.0.0.1:1"\nworkers = 2\n[log]\nlevel = "debug"\n')
    environ = {"ONEPUSH_BIND": "127.0.0.1:2", "ONEPUSH_SERVER_WORKERS": "3"}
    settings = load_settings(
        config, environ, {("server", "bind"): "127.0.0.1:3", ("server", "workers"): None}
    )
    assert settings.server.bind == "127.0.0.1:3"
    assert settings.server.workers == 3
    assert settings.log.level == "debug"


def test_short_variable_wins_over_long_one():
    """ONEPUSH_DATABASE beats ONEPUSH_STORE_DATABASE."""
    environ = {"ONEPUSH_DATABASE": "sqlite:///a.db", "ONEPUSH_STORE_DATABASE": "sqlite:///b.db"}
    assert load_settings(environ=environ).store.database == "sqlite:///a.db"


def test_variable_names_config_file(write_config):
    """ONEPUSH_CONFIG is the file when no --config is given."""
    environ = {"ONEPUSH_CONFIG": write_config("[delivery]\nqueue_limit = 5\n")}
    assert load_settings(environ=environ).delivery.queue_limit == 5


def test_variables_carry_lists():
    """Lists are written with commas; an empty one is an empty list."""
    environ = {"ONEPUSH_DELIVERY_RESEND_GAPS": "1, 2.5", "ONEPUSH_PLUGINS_LOAD": ""}
    settings = load_settings(environ=environ)
    assert settings.delivery.resend_gaps == (1.0, 2.5)
    assert settings.plugins.load == ()


def test_text_null_stays_text():
    """A setting that takes a string takes the word null as it stands."""
    assert load_settings(environ={"ONEPUSH_ADMIN_TOKEN": "null"}).server.admin_token == "null"


def test_plugin_tables_are_passed_raw(write_config):
    """A plugin gets its table as it stands, its variables as TOML values or else as text."""
    config = write_config('[ws]\norigins = ["https://a.example"]\n')
    environ = {"ONEPUSH_WS_PING_INTERVAL": "5", "ONEPUSH_WS_NAME": "two words", "ONEPUSH_WSX": "1"}
    settings = load_settings(config, environ, plugins=["ws", "sms"])
    assert settings.tables == {
        "ws": {"origins": ["https://a.example"], "ping_interval": 5, "name": "two words"},
        "sms": {},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[server]\nadmin_tokn = "s3cret-value"\n', "server.admin_tokn: there is no such setting"),
        ('[server]\nworkers = "s3cret-value"\n', "server.workers: expected int, got str"),
        ("[server]\nworkers = true\n", "server.workers: expected int, got bool"),
        ("[server]\nworkers = 0\n", "server.workers: expected int >= 1"),
        ('[server]\nadmin_token = ""\n', "server.admin_token: expected str of length >= 1"),
        ("[delivery]\nresend_gaps = []\n", "delivery.resend_gaps: expected array of length >= 1"),
        ("[delivery]\ndeadline = nan\n", "delivery.deadline: expected float > 0.0"),
        ('[log]\nlevel = "s3cret-value"\n', "log.level: not one of the values allowed"),
        ("[wss]\nport = 1\n", "wss: neither a table of the core nor an installed plugin"),
        ('ws = "s3cret-value"\n', "ws: expected a table"),
    ],
)
def test_file_is_refused_by_name_of_key(write_config, text, expected):
    """A bad key or value in the file is one line with file and key, without the value."""
    config = write_config(text)
    assert error_of(config=config, plugins=["ws"]) == f"{config}: {expected}"


def test_broken_file_is_refused(write_config, tmp_path):
    """A file that is missing, no TOML or no UTF-8 is one line with its name."""
    assert error_of(config=str(tmp_path / "none.toml")).endswith("cannot be read: No such file or directory")
    assert "is not valid TOML" in error_of(config=write_config("[server\n"))
    (tmp_path / "latin.toml").write_bytes(b'[log]\nlevel = "\xe9"\n')
    assert error_of(config=str(tmp_path / "latin.toml")).endswith("is not UTF-8")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ONEPUSH_WORKERS", SECRET, "ONEPUSH_WORKERS: expected int, got str"),
        ("ONEPUSH_STORE_FILE", SECRET, "ONEPUSH_STORE_FILE: there is no such setting"),
        ("ONEPUSH_ADMIN_TOKEN", "", "ONEPUSH_ADMIN_TOKEN: expected str of length >= 1"),
        ("ONEPUSH_DELIVERY_RESEND_GAPS", "1,x", "ONEPUSH_DELIVERY_RESEND_GAPS: expected float, got str"),
    ],
)
def test_variable_is_refused_by_name(name, value, expected):
    """A bad variable is one line with its name, without the value."""
    assert error_of(environ={name: value}) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Object contains unknown field `nope`", "nope: there is no such setting"),
        ("Object contains unknown field `nope` - at `$.http`", "http.nope: there is no such setting"),
        ("Object missing required field `url` - at `$.http`", "http.url: is missing"),
        ("Expected `float` > 0.0 - at `$.ping_interval`", "ping_interval: expected float > 0.0"),
        ("Expected `str`, got `int` - at `$.origins[0]`", "origins[0]: expected str, got int"),
        (
            "Invalid enum value 's3cret - at `$.x`' - at `$.provider`",
            "provider: not one of the values allowed",
        ),
        ("Expected `object`, got `int`", "expected object, got int"),
    ],
)
def test_setting_problem_names_key_and_hides_value(text, problem):
    """What plugins say of their tables."""
    assert setting_problem(text) == problem


def test_stray_variables_are_found():
    """Ours by name, and no setting: misspelt, or of a plugin that is not there, or somebody else's."""
    environ = {"ONEPUSH_SEVER_BIND": "1", "ONEPUSH_SMS_PROVIDER": "http", "ONEPUSH_PORT": "tcp://10.0.0.1:80"}
    fitting = {"ONEPUSH_BIND": "x", "ONEPUSH_STORE_DATABASE": "x", "ONEPUSH_WS_PAGE": "x", "PATH": "/bin"}
    known = dict.fromkeys(OTHER_VARIABLES, "x")
    assert stray_variables({**environ, **fitting, **known}, ["ws"]) == sorted(environ)


def test_flag_is_refused_by_name():
    """A bad flag is one line with its name."""
    assert error_of(flags={("delivery", "page_size"): "1001"}) == "--delivery-page-size: expected int <= 1000"


def test_set_flag_reaches_plugin_table():
    """--set beats the variable for a plugin's setting, and names a plugin that is not there."""
    flags = {("ws", "ping_interval"): "7"}
    environ = {"ONEPUSH_WS_PING_INTERVAL": "5"}
    assert load_settings(environ=environ, flags=flags, plugins=["ws"]).tables == {"ws": {"ping_interval": 7}}
    assert error_of(flags=flags) == "--set ws.ping_interval: no plugin of this name is installed"


@pytest.mark.parametrize(
    "bind", ["8080", ":8080", "host:", "host:http", "host:65536", "host:-1", "host:８０"]
)
def test_bind_is_refused_without_host_or_port(bind):
    """server.bind needs a host and a port."""
    assert error_of(environ={"ONEPUSH_BIND": bind}) == "server.bind: expected HOST:PORT"


def test_bind_takes_bracketed_address():
    """An IPv6 address stands in brackets."""
    assert listen_address("[::1]:80") == ("::1", 80)


def test_settings_hide_secrets_when_printed():
    """Neither the admin token nor the database's address is in the repr."""
    environ = {"ONEPUSH_ADMIN_TOKEN": SECRET, "ONEPUSH_DATABASE": f"postgresql://u:{SECRET}@h/d"}
    settings = load_settings(environ=environ)
    assert SECRET not in repr(settings) + repr(settings.server) + repr(settings.store)


def test_docs_list_other_variables():
    """docs/settings.md names every variable that is no setting."""
    section = (DOCS / "settings.md").read_text("utf-8").split("## Other variables")[1]
    assert sorted(re.findall(r"ONEPUSH_\w+", section)) == sorted(OTHER_VARIABLES)


def test_docs_list_every_setting():
    """docs/settings.md holds the table as the Structs say (print it with settings_table.py)."""
    assert settings_table() in (DOCS / "settings.md").read_text("utf-8")
