"""Fixtures of the SMS tests: benches (a gateway in this process) that end with their test."""

from __future__ import annotations

import pytest

from tests.sms.doubles import Bench


@pytest.fixture
def make_bench(tmp_path):
    """Start benches: ``make_bench({"delay": 0}, resend_gaps=[…])``."""
    benches = []

    def make(table=None, **more):
        benches.append(Bench(tmp_path, table, **more))
        return benches[-1]

    yield make
    for bench in benches:
        bench.provider.hold.set()
        bench.vendor.let.set()
        bench.stage.stop()


@pytest.fixture
def bench(make_bench):
    """A bench with the default settings: an SMS after 60 seconds."""
    return make_bench()
