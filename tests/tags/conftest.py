"""Fixtures of the tests of tags."""

import pytest


@pytest.fixture(scope="session")
def gateway(start_gateway):
    """A gateway with sockets and tags."""
    return start_gateway(plugins={"load": ["ws", "tags"]})
