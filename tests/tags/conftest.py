"""Fixtures of the tests of tags."""

import pytest

from harness.needs import present


@pytest.fixture(scope="session")
def gateway(start_gateway):
    """A gateway with tags, and with sockets where there are any."""
    return start_gateway(plugins={"load": present("ws", "tags")})
