"""Apps and their keys: two live ones at most, none of a disabled app, the same steps for every refusal."""

from __future__ import annotations

import pytest

from core_doubles import make_app
from inside_gateway import running
from onepush_core.directory import FRESH, Directory, digest_of, new_key
from onepush_core.errors import AuthenticationFailed
from onepush_core.store.apps import add_key
from onepush_core.testing import ManualClock


class CountingEngine:
    """Counts how often the store is asked."""

    def __init__(self, engine):
        self.engine = engine
        self.reads = 0

    def read(self, job):
        self.reads += 1
        return self.engine.read(job)


@pytest.fixture
def gateway(tmp_path):
    with running(tmp_path) as started:
        yield started


@pytest.fixture
def made(gateway):
    """What the admin saw when the app was created."""
    return gateway.create_app("shop")


def opens(gateway, app_id: str, key: str) -> bool:
    try:
        return gateway.authenticate(app_id, key).id == app_id
    except AuthenticationFailed:
        return False


def test_key_has_256_random_bits():
    """43 characters of base64, never the same twice."""
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {43}


def test_store_keeps_no_key(gateway, made):
    """Only the digest of a key is written."""
    stored = gateway.read(lambda transaction: transaction.rows("SELECT digest FROM app_key"))
    assert stored == [(digest_of(made["appKey"]),)]
    assert made["appKey"] not in stored[0][0]


def test_directory_accepts_the_live_key_only(gateway, made):
    """Any other key, the empty one and one that cannot be encoded are wrong."""
    assert opens(gateway, made["appId"], made["appKey"])
    for wrong in ("", made["appKey"][:-1], made["appKey"] + "x", "\ud800", "é"):
        assert not opens(gateway, made["appId"], wrong)


def test_rotation_keeps_two_keys_live(gateway, made):
    """The old key works until the rotation after the next one."""
    keys = [made["appKey"]]
    for _ in range(2):
        keys.append(gateway.rotate_key(made["appId"])["appKey"])
        assert [opens(gateway, made["appId"], key) for key in keys[-2:]] == [True, True]
    assert not opens(gateway, made["appId"], keys[0])


def test_disabled_app_is_refused_at_once(gateway, made):
    """In this process immediately, and enabling it again brings the same key back."""
    assert opens(gateway, made["appId"], made["appKey"])
    gateway.set_enabled(made["appId"], False)
    assert not opens(gateway, made["appId"], made["appKey"])
    assert gateway.directory.find(made["appId"]) is None
    gateway.set_enabled(made["appId"], True)
    assert opens(gateway, made["appId"], made["appKey"])


def test_directory_notices_changes_of_other_processes(gateway, made):
    """What ``onepush app disable`` wrote is seen when the cached entry is two seconds old."""
    clock = ManualClock()
    directory = Directory(gateway.engine, clock.monotonic)
    assert directory.find(made["appId"])
    gateway.write(lambda transaction: transaction.execute("UPDATE app SET enabled = 0") and None)
    assert directory.find(made["appId"])
    clock.jump(FRESH)
    assert directory.find(made["appId"]) is None


def test_directory_spares_the_store(gateway, made):
    """Sends of one app read its keys once in two seconds, not once each."""
    engine = CountingEngine(gateway.engine)
    directory = Directory(engine, ManualClock().monotonic)
    for _ in range(20):
        assert directory.check(made["appId"], made["appKey"])
    assert engine.reads == 1


def test_refusals_take_the_same_steps(gateway, made):
    """Unknown app, disabled app and wrong key: one look at the store, one comparison, the same answer."""
    disabled = gateway.create_app("closed")
    gateway.set_enabled(disabled["appId"], False)
    steps = []
    for app_id, key in (
        ("nobody", made["appKey"]),
        (disabled["appId"], disabled["appKey"]),
        (made["appId"], "wrong"),
    ):
        engine = CountingEngine(gateway.engine)
        answer = Directory(engine, ManualClock().monotonic).check(app_id, key)
        steps.append((answer, engine.reads))
    assert steps == [(None, 1)] * 3


def test_refusals_say_the_same(gateway, made):
    """A caller cannot tell an unknown app from a wrong key."""
    told = set()
    for app_id in ("nobody", made["appId"]):
        with pytest.raises(AuthenticationFailed) as raised:
            gateway.authenticate(app_id, "wrong")
        told.add((raised.value.code, str(raised.value)))
    assert len(told) == 1


def test_key_made_elsewhere_works_soon(tmp_path):
    """A key that another process has just made is not refused until the cache is old."""
    clock = ManualClock()
    with running(tmp_path, clock=clock) as gateway:
        app = make_app(gateway)
        key = "made-elsewhere"
        gateway.write(lambda transaction: add_key(transaction, app.id, digest_of(key), clock.now()))
        clock.jump(0.6)
        assert gateway.directory.check(app.id, key) == app
