"""Fixtures of the core's tests: a gateway that has no plugin but the core's own."""

import pytest


@pytest.fixture(scope="session")
def gateway(start_gateway):
    """A gateway without a transport."""
    return start_gateway(plugins={"load": []})
