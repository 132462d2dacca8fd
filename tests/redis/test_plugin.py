"""The plugin object: idle without a bus, offered to the core, its metrics shown; nothing secret in a log."""

import structlog
from prometheus_client import CollectorRegistry, generate_latest

import onepush_redis
from harness.waiting import eventually
from onepush_core import Bus


class Gateway:
    """As much of a gateway as ``startup`` wants."""

    def __init__(self):
        self.metrics = self
        self.registry = CollectorRegistry()


def test_plugin_is_idle_until_a_bus_is_opened():
    """Without ``--bus`` it says what to do, and shows no metrics."""
    plugin, gateway = onepush_redis.create({}), Gateway()
    assert "--bus redis://" in plugin.idle_reason
    plugin.startup(gateway)
    assert generate_latest(gateway.registry) == b""
    plugin.open_bus("redis://127.0.0.1:1", lambda: 0.0)
    assert plugin.idle_reason is None
    assert b"onepush_redis_complete 0.0" in generate_latest(gateway.registry)


def test_bus_may_be_opened_before_the_startup():
    """In either order the metrics are shown once, however often a bus is opened."""
    plugin, gateway = onepush_redis.create({}), Gateway()
    plugin.open_bus("redis://127.0.0.1:1", lambda: 0.0)
    plugin.open_bus("redis://127.0.0.1:1", lambda: 0.0)
    plugin.startup(gateway)
    assert generate_latest(gateway.registry).count(b"onepush_redis_complete 0.0") == 1


def test_bus_has_all_that_the_core_asks_for():
    """Every method of the Protocol, with the same parameters."""
    bus = onepush_redis.create({}).open_bus("redis://127.0.0.1:1", lambda: 0.0)
    methods = [name for name in vars(Bus) if not name.startswith("_")]
    assert len(methods) == 9
    for name in methods:
        wanted = getattr(Bus, name).__code__
        assert (
            wanted.co_varnames[: wanted.co_argcount]
            == getattr(type(bus), name).__code__.co_varnames[: wanted.co_argcount]
        )


def test_metrics_tell_what_happens(start_worker):
    """Payloads, look-ups and completeness are counted."""
    one, two = start_worker(1), start_worker(2)
    one.bus.publish(2, b"x")
    eventually(lambda: two.count("received") == 1)
    assert one.count("published") == 1
    assert one.bus.holders([1]) == {}
    assert one.count("lookups", answer="sure") == 1
    assert one.metrics.lookup_seconds._sum.get() > 0
    assert one.metrics.complete.collect()[0].samples[0].value == 1


def test_trouble_is_logged_once_and_without_secrets(make_worker, server):
    """A wrong password: one line for each link, with the class of the error and nothing more."""
    server.client().config_set("requirepass", "the-right-one")
    with structlog.testing.capture_logs() as lines:
        worker = make_worker(server.url.replace("//", "//:very-secret@")).start(1)
        eventually(lambda: worker.count("reconnects", link="send") >= 3)
    assert sorted(line["link"] for line in lines) == ["listen", "presence", "send"]
    assert {line["error"] for line in lines} == {"AuthenticationError"}
    assert "very-secret" not in str(lines)
