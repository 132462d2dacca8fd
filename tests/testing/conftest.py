"""The kit's own fixtures, in place of those of the other folders that have the same names."""

import os

from onepush_core.testing import client, clock, gateway, gateway_settings, plugins, stage, start_gateway

__all__ = ["client", "clock", "gateway", "gateway_settings", "plugins", "stage", "start_gateway"]
LONG = bool(os.environ.get("ONEPUSH_TEST_LONG"))
SAMPLE = ("server-error", "silence")


def pytest_collection_modifyitems(config, items):
    """A plugin whose flaw has nothing to do with a vendor in trouble is tried with two kinds of that, not all
    seventeen: these are half of all checks on flawed plugins. ONEPUSH_TEST_LONG=1 tries all.
    """
    spared = [] if LONG else list(filter(_is_beside_the_flaw, items))
    config.hook.pytest_deselected(items=spared)
    items[:] = [item for item in items if item not in spared]


def _is_beside_the_flaw(item):
    caught = getattr(item.cls, "CAUGHT", ())
    if item.originalname != "test_survives" or not caught or "survives" in " ".join(caught):
        return False
    return item.callspec.id not in SAMPLE
