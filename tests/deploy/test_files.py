"""What lies in deploy/ is accepted by those who will read it."""

import os
import re
import subprocess
import sys

import pytest

from harness.process import NOWHERE, free_port
from tests.deploy.proxies import DEPLOY, Certificate, haproxy_configuration, is_installed, nginx_configuration

PLUGINS = {"ws", "oppo", "sms", "tags"}


def run(*command, **variables):
    """Run a command; (exit code, all it said)."""
    environ = {**os.environ, **variables}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def list_plugins(folder, text):
    """What ``onepush plugins`` makes of a configuration."""
    config = folder / "onepush.toml"
    config.write_text(text)
    options = ["--config", str(config), "--database", f"sqlite:///{folder}/onepush.db"]
    # A gateway that runs at its address would be asked.
    return run(sys.executable, "-m", "onepush_core", "plugins", *options, ONEPUSH_BIND=NOWHERE)


def states(output):
    """The state of each plugin, from the columns that the command prints."""
    table = output.split("\n\n")[0].splitlines()[1:]
    return {line.split()[0]: line.split()[3] for line in table if not line.startswith("core.")}


def test_production_configuration_is_accepted(tmp_path):
    """As it stands: the plugins for people asleep are idle until they have credentials."""
    code, output = list_plugins(tmp_path, (DEPLOY / "onepush.toml").read_text())
    assert (code, states(output)) == (0, {"ws": "active", "tags": "active", "oppo": "idle", "sms": "idle"})


def test_production_configuration_offers_settings_that_exist(tmp_path):
    """With every line that is off turned on."""
    text = (DEPLOY / "onepush.toml").read_text()
    code, output = list_plugins(tmp_path, re.sub(r"^#(?=[\w\[])", "", text, flags=re.MULTILINE))
    assert (code, states(output)) == (0, dict.fromkeys(PLUGINS, "active"))


def test_configuration_for_several_workers_is_accepted(tmp_path):
    """Its database and bus come from the environment."""
    code, output = list_plugins(tmp_path, (DEPLOY / "onepush-several.toml").read_text())
    assert (code, set(states(output))) == (0, {*PLUGINS, "redis"})


@pytest.mark.skipif(not is_installed("nginx"), reason="no nginx here (Debian: nginx-light)")
def test_nginx_accepts_its_configuration(tmp_path, certificate):
    """``nginx -t``."""
    chain, key, _ = certificate
    whole = nginx_configuration(tmp_path, free_port(), "server 127.0.0.1:8080;", chain, key)
    code, output = run("nginx", "-t", "-p", str(tmp_path), "-c", str(whole))
    assert (code, "[warn]" in output) == (0, False), output


@pytest.mark.skipif(not is_installed("haproxy"), reason="no haproxy here (Debian: haproxy)")
def test_haproxy_accepts_its_configuration(tmp_path, certificate: Certificate):
    """``haproxy -c``."""
    servers = "    server one 127.0.0.1:8080 check"
    whole = haproxy_configuration(tmp_path, free_port(), servers, certificate.both)
    code, output = run("haproxy", "-c", "-f", str(whole))
    assert (code, "WARNING" in output) == (0, False), output


@pytest.mark.skipif(not is_installed("systemd-analyze"), reason="no systemd here")
def test_systemd_accepts_unit(tmp_path):
    """``systemd-analyze verify`` has nothing to say of a copy whose command exists."""
    unit = tmp_path / "onepush.service"
    text = (DEPLOY / "onepush.service").read_text()
    assert "ExecStart=/opt/onepush/bin/onepush serve" in text
    unit.write_text(text.replace("/opt/onepush/bin/onepush", sys.executable))
    assert run("systemd-analyze", "verify", str(unit)) == (0, "")


@pytest.mark.skipif(not is_installed("systemd-analyze"), reason="no systemd here")
def test_unit_is_hardened():
    """systemd itself calls the exposure low: 10 is everything, 2 and less is "OK"."""
    unit = str(DEPLOY / "onepush.service")
    code, output = run("systemd-analyze", "security", "--offline=yes", "--threshold=20", unit)
    assert code == 0, output


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml"])
def test_what_nobody_ran_says_so(name):
    """There is no container runtime here, and the reader must know."""
    head = (DEPLOY / name).read_text().split("\n\n")[0]
    assert re.search(r"NOT (BUILT|RUN) by this project's tests or CI", head)


def test_container_copies_what_is_there():
    """Each file that the Dockerfile copies exists, and is not kept back by its ignore file."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    sources = [source for line in copied for source in line.split()]
    assert sources
    for source in sources:
        assert (DEPLOY.parent / source).exists()
        assert f"!{source}" in kept
