"""Fixtures of the OPPO tests: an emulator and a gateway that knows it, both real processes."""

from __future__ import annotations

import pytest

from harness.needs import present
from harness.process import GatewayProcess, free_port
from tests.oppo.driver import EmulatorProcess, settings_for

PLUGINS = {"load": present("ws", "oppo"), "required": present("ws", "oppo")}
RECEIPT_SECRET = "a receipt secret of the tests"


@pytest.fixture(scope="session")
def emulator_process():
    """One emulator for the session."""
    process = EmulatorProcess()
    yield process
    process.stop()


@pytest.fixture
def emulator(emulator_process):
    """The emulator, empty and well-behaved."""
    emulator_process.reset()
    yield emulator_process
    emulator_process.reset()


@pytest.fixture(scope="session")
def start_oppo_gateway(tmp_path_factory, emulator_process):
    """Start gateways with settings of ``[oppo]`` beside those that point to the emulator."""
    started = []

    def start(delivery=None, plugins=PLUGINS, **oppo):
        port = free_port()
        table = settings_for(emulator_process, **{"public_url": f"http://127.0.0.1:{port}", **oppo})
        settings = {"plugins": plugins, "delivery": delivery or {}, "oppo": table}
        gateway = GatewayProcess(tmp_path_factory.mktemp("oppo"), settings)
        gateway.port, gateway.url = port, f"http://127.0.0.1:{port}"
        started.append(gateway)
        return gateway.start()

    yield start
    for gateway in started:
        gateway.stop()


@pytest.fixture(scope="session")
def oppo_gateway(start_oppo_gateway):
    """A gateway with credentials and receipts that sends again soon."""
    return start_oppo_gateway({"resend_gaps": [0.5, 1.0]}, receipt_secret=RECEIPT_SECRET)


@pytest.fixture
def oppo_app(oppo_gateway, emulator):
    """A new app of ``oppo_gateway``."""
    yield oppo_gateway.create_app()
    oppo_gateway.close_apps()


@pytest.fixture(scope="session")
def hasty_oppo_gateway(start_oppo_gateway, emulator_process):
    """A gateway with little patience, and with an overseas host of its own."""
    overseas = f"{emulator_process.url}/overseas"
    return start_oppo_gateway(timeout=0.5, retry_gap=0.05, intl_base_url=overseas)


@pytest.fixture
def hasty_oppo_app(hasty_oppo_gateway, emulator):
    """A new app of ``hasty_oppo_gateway``, which tries again at once."""
    yield hasty_oppo_gateway.create_app()
    hasty_oppo_gateway.close_apps()
