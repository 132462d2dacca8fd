"""Presence against a small model: whatever happens in whatever order, what is sure is right."""

import time
import uuid

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from harness.waiting import eventually
from onepush_redis.address import read_address
from onepush_redis.metrics import Metrics
from onepush_redis.redis_bus import RedisBus
from onepush_redis.settings import Settings

WORKERS = st.integers(0, 2)
DEVICES = st.integers(1, 4)
ALL_DEVICES = [1, 2, 3, 4]
QUICK = 0.05


class PresenceMachine(RuleBasedStateMachine):
    """Three workers, four devices. The model: who holds what since when, by connection."""

    server = None

    @initialize()
    def begin(self):
        table = Settings(prefix=f"test-{uuid.uuid4().hex}", heartbeat=QUICK)
        address = read_address(self.server.url, table)
        self.buses = [RedisBus(address, table, time.monotonic, Metrics()) for _ in range(3)]
        self.numbers = [1, 2, 3]
        self.next_number = 4
        self.held = [{}, {}, {}]
        self.moments = 0
        for bus, number in zip(self.buses, self.numbers, strict=True):
            bus.start(number, len)

    @rule(who=WORKERS, device=DEVICES, connection=st.integers(1, 5))
    def hold(self, who, device, connection):
        """A socket opens; an older connection than the known one is an echo of the past."""
        time.sleep(0.02)  # workers know the server's clock as exactly as a round trip is short
        self.moments += 1
        self.buses[who].hold(device, connection)
        if connection > self.held[who].get(device, (0, 0))[0]:
            self.held[who][device] = (connection, self.moments)

    @rule(who=WORKERS, device=DEVICES, connection=st.integers(1, 5))
    def let_go(self, who, device, connection):
        """A socket ends, perhaps one that was replaced before."""
        self.buses[who].let_go(device, connection)
        if self.held[who].get(device, (0, 0))[0] == connection:
            del self.held[who][device]

    @rule()
    def flush(self):
        """The server forgets everything."""
        self.server.client().flushall()

    @rule()
    def cut(self):
        """The server hangs up on everybody."""
        self.server.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    @rule(who=WORKERS)
    def become_another(self, who):
        """A worker lost its session and goes on under a new number; the others see the old one vanish."""
        before, self.numbers[who] = self.numbers[who], self.next_number
        self.next_number += 1
        self.buses[who].start(self.numbers[who], len)
        for bus in self.buses:
            bus.forget(before)

    @rule(who=WORKERS)
    def settle_and_look(self, who):
        """Once all has calmed down, everybody finds what the model says."""
        wanted = self.wanted()
        eventually(lambda: not any(bus._holdings.unwritten for bus in self.buses), pause=0.002)
        found = None

        def look():
            nonlocal found
            found = self.buses[who].holders(ALL_DEVICES)
            return found == wanted

        try:
            eventually(look, pause=0.002)
        except AssertionError:
            raise AssertionError(f"worker {self.numbers[who]}: {found}, not {wanted}") from None

    @invariant()
    def sure_is_registered(self):
        """A sure answer never names a worker that is none."""
        for bus in getattr(self, "buses", ()):
            found = bus.holders(ALL_DEVICES)
            assert found is None or set(found.values()) <= set(range(1, self.next_number))

    def wanted(self):
        """The newest holder of each device."""
        found = {}
        for device in ALL_DEVICES:
            since = {held[device][1]: who for who, held in enumerate(self.held) if device in held}
            if since:
                found[device] = self.numbers[since[max(since)]]
        return found

    def teardown(self):
        for who in range(3):
            self.settle_and_look(who)
        for bus in self.buses:
            bus.close()


@pytest.mark.timeout(180)
def test_presence_is_what_the_model_says(start_server):
    """Holds, ends, flushes, cut connections, new numbers and false deaths in any order."""
    PresenceMachine.server = start_server()
    run_state_machine_as_test(
        PresenceMachine,
        settings=settings(
            max_examples=50,
            stateful_step_count=20,
            deadline=None,
            phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking would take minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
