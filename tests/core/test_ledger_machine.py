"""The ledger against a small pure model: whatever happens in whatever order, both say the same."""

from __future__ import annotations

import tempfile

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from core_doubles import add_device, make_app, make_gateway
from harness.databases import ON_POSTGRES, empty_databases
from inside_gateway import settle
from onepush_core.objects import Draft, Registration, Selector, Status
from onepush_core.testing import ManualClock, RecordingSockets

QUEUE_LIMIT = 3
ALIASES = ("ann", "ben")


class Model:
    """What ought to be: each delivery's state, and each device's owner."""

    def __init__(self) -> None:
        self.state: dict[tuple[str, int], str] = {}
        self.order: list[str] = []
        self.expires: dict[str, int] = {}
        self.confirming: dict[str, bool] = {}
        self.alias: dict[int, str | None] = {}

    def pending(self, device: int) -> list[str]:
        return [one for one in self.order if self.state.get((one, device)) == "pending"]

    def end(self, device: int, state: str) -> None:
        for one in self.pending(device):
            self.state[one, device] = state

    def counts(self, message: str) -> dict[str, int]:
        found = [state for (one, _), state in self.state.items() if one == message]
        return {
            name: found.count(name)
            for name in ("pending", "confirmed", "handedOff", "expired", "cancelled", "dropped")
        }


class LedgerMachine(RuleBasedStateMachine):
    """Registers, connects, sends, confirms, cancels, unregisters and lets time pass."""

    messages = Bundle("messages")
    devices = Bundle("devices")

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        self.transport = RecordingSockets(Status.SENT, again=True)
        self.transport.connected = set()
        self.gateway = make_gateway(
            self.folder.name, self.transport, clock=self.clock, queue_limit=QUEUE_LIMIT
        )
        self.app = make_app(self.gateway)
        self.model = Model()
        self.tokens: dict[int, str] = {}

    @rule(target=devices, alias=st.sampled_from(ALIASES))
    def register(self, alias):
        token = f"t{len(self.tokens)}"
        key = add_device(self.gateway, self.app, token, alias)
        self.tokens[key] = token
        self.model.alias[key] = alias
        return key

    @rule(device=devices, alias=st.sampled_from(ALIASES))
    def register_again(self, device, alias):
        self.gateway.register(self.app.id, Registration(alias, "ANDROID", self.tokens[device]))
        if self.model.alias[device] != alias:
            self.model.end(device, "cancelled")
        self.model.alias[device] = alias

    @rule(device=devices)
    def unregister(self, device):
        device_id = self.gateway.read(
            lambda transaction: transaction.row("SELECT id FROM device WHERE key = ?", (device,))[0]
        )
        self.gateway.unregister(device_id)
        self.model.end(device, "cancelled")
        self.model.alias[device] = None

    @rule(device=devices)
    def connect(self, device):
        self.transport.connected ^= {device}

    @rule(
        target=messages,
        alias=st.sampled_from((*ALIASES, "ALL")),
        confirm=st.booleans(),
        life=st.integers(1, 40),
    )
    def send(self, alias, confirm, life):
        selector = Selector("ALL", ("ALL",)) if alias == "ALL" else Selector("ALIAS", (alias,))
        message, _ = self.gateway.send(
            self.app, Draft(alert="x", selector=selector, need_confirm=confirm, duration=life)
        )
        self.settle()
        self.model.order.append(message)
        self.model.expires[message] = self.clock.now() + life * 1000
        self.model.confirming[message] = confirm
        for device, owner in self.model.alias.items():
            if owner is not None and alias in ("ALL", owner):
                handed = device in self.transport.connected and not confirm
                self.model.state[message, device] = "handedOff" if handed else "pending"
                self.drop_overflow(device)
        return message

    def drop_overflow(self, device):
        for message in self.model.pending(device)[:-QUEUE_LIMIT]:
            self.model.state[message, device] = "dropped"

    @rule(message=messages, device=devices)
    def confirm(self, message, device):
        self.gateway.confirm("one", message, device)
        self.gateway.flush()
        if self.model.state.get((message, device)) in ("pending", "handedOff"):
            self.model.state[message, device] = "confirmed"

    @rule(message=messages)
    def cancel(self, message):
        self.gateway.cancel(self.app, message)
        for (one, device), state in self.model.state.items():
            if one == message and state == "pending":
                self.model.state[one, device] = "cancelled"

    @rule(seconds=st.integers(1, 20))
    def pass_time(self, seconds):
        self.clock.jump(seconds)
        self.gateway.housekeeping.expire()
        while self.gateway.followup.run_due():
            pass
        self.settle()
        for (message, device), state in self.model.state.items():
            if state == "pending" and self.model.expires[message] <= self.clock.now():
                self.model.state[message, device] = "expired"

    def settle(self) -> None:
        """Wait until the lanes are idle and everything is written."""
        settle(self.gateway)

    @invariant()
    def ledger_agrees_with_model(self):
        """Promise 10, for each message, in counters and rows alike."""
        if not hasattr(self, "model"):
            return
        for message in self.model.order:
            status = self.gateway.status(self.app, message)
            expected = self.model.counts(message)
            assert status["counts"] == expected
            assert status["total"] == sum(expected.values())
            page = self.gateway.deliveries(self.app, message, None, 1000)["deliveries"]
            assert sorted(one["state"] for one in page) == sorted(
                state for (one, _), state in self.model.state.items() if one == message
            )
            assert (status["state"] == "finished") <= (expected["pending"] == 0)

    def teardown(self) -> None:
        if hasattr(self, "gateway"):
            self.gateway.stop()
            self.gateway.close()
            empty_databases(self.folder.name)
            self.folder.cleanup()


LedgerMachine.TestCase.settings = settings(
    max_examples=15 if ON_POSTGRES else 40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.store
@pytest.mark.timeout(120)
class TestLedgerMachine(LedgerMachine.TestCase):
    """Run by pytest as one test."""
