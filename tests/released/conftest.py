"""Fixtures: every distribution, built once."""

import pytest

from tests.released.building import build_all


@pytest.fixture(scope="session")
def distributions(tmp_path_factory):
    """All distributions of the repository, core first."""
    return build_all(tmp_path_factory.mktemp("released"))
