"""Fixtures of the deployment tests: a certificate, and proxies in front of gateways."""

import pytest

from tests.deploy.proxies import Proxy, is_installed, make_certificate


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A self-signed certificate of this session."""
    if not is_installed("openssl"):
        pytest.skip("no openssl here")
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def start_proxy(tmp_path_factory, certificate):
    """Start a proxy in front of gateways on these ports: ``start_proxy("nginx", 8080, 8081)``."""
    started = []

    def start(name, *ports):
        if not is_installed(name):
            pytest.skip(f"no {name} here (Debian: nginx-light, haproxy)")
        started.append(Proxy(name, tmp_path_factory.mktemp(name), certificate, list(ports)))
        return started[-1]

    yield start
    for proxy in started:
        proxy.stop()
