"""Two processes at one PostgreSQL that decide on the same person: one of them makes the call."""

from __future__ import annotations

import pytest

from harness.races import new_app, overlap, two_gateways
from onepush_core.objects import Message, Registration
from onepush_core.store import deliveries, devices, messages
from onepush_sms.decisions import CALL_LEASE, decide, settle
from onepush_sms.numbers import parse_number
from onepush_sms.objects import Answer, Verdict
from onepush_sms.people import Person
from onepush_sms.plugin import SmsPlugin
from onepush_sms.rows import Rows, State
from onepush_sms.settings import read_settings
from tests.sms.doubles import NUMBER, FakeProvider

pytestmark = pytest.mark.once
NOW = 1_800_000_000_000
PERSON = Person(parse_number(NUMBER, "CN"), ["ann"], [1])


class Scene:
    """A message that is pending for Ann's device, and what decides on her."""

    def __init__(self, pair, policy):
        self.one, self.two = pair
        self.policy = policy
        self.app = new_app(self.one)
        self.message = self.one.write(self._store)

    def _store(self, transaction):
        registration = Registration("ann", "ANDROID", "token", mobile=NUMBER)
        device = devices.register(transaction, self.app.key, registration, "device", NOW)[1]
        fields = {"alert": "x", "sms_message": "code 1", "accepted_at": NOW, "expires_at": NOW * 2}
        message = Message(key=0, id="m", app=self.app, **fields)
        key = messages.insert_message(transaction, message)
        deliveries.insert_page(transaction, key, [device])
        return Message(key=key, id="m", app=self.app, **fields)

    def rows(self, transaction, now=NOW):
        return Rows(transaction, self.message, "fake", now)

    def decide(self, transaction):
        return decide(self.rows(transaction), PERSON, self.policy, patient=False)

    def find_lost(self, transaction):
        """Decide so late that a call without result counts as lost."""
        return decide(self.rows(transaction, NOW + CALL_LEASE), PERSON, self.policy, patient=False)

    def used(self):
        return self.one.read(lambda transaction: transaction.rows("SELECT sum(used) FROM sms_budget"))[0][0]


@pytest.fixture
def scene(tmp_path):
    plugin = SmsPlugin(read_settings({"delay": 0, "daily_budget": 10}), make=lambda *_: FakeProvider())
    with two_gateways(tmp_path, plugin) as pair:
        yield Scene(pair, next(iter(plugin._policies)))


def test_one_process_makes_the_call(scene):
    """Both find nothing decided: one has the row and the call, the other knows it, and one SMS is charged."""
    first, second = overlap(
        scene.one.engine, scene.two.engine, scene.decide, lambda: scene.two.write(scene.decide)
    )
    assert (first.mine, second.mine, second.state) == (True, False, State.CALLING)
    settings = scene.policy.settings
    budgets = [settings.daily_budget, settings.number_hourly_budget, settings.number_daily_budget]
    assert scene.used() == sum(budget is not None for budget in budgets)


def test_refused_call_is_given_back_once(scene):
    """Its result is written down while another process takes the call for lost: one of the two counts."""
    decision = scene.one.write(scene.decide)
    refused = Answer(Verdict.REFUSED, "no")
    overlap(
        scene.one.engine,
        scene.two.engine,
        lambda transaction: settle(scene.rows(transaction), decision, scene.policy, refused),
        lambda: scene.two.write(scene.find_lost),
    )
    assert scene.used() == 0
    state = scene.one.read(lambda transaction: transaction.rows("SELECT state FROM sms"))
    assert state == [(State.REFUSED,)]


def test_lost_call_is_not_given_back_by_its_late_result(scene):
    """The other way round: it counts as sent, and the refusal that comes later changes nothing."""
    decision = scene.one.write(scene.decide)
    charged = scene.used()
    refused = Answer(Verdict.REFUSED, "no")
    overlap(
        scene.one.engine,
        scene.two.engine,
        scene.find_lost,
        lambda: scene.two.write(
            lambda transaction: settle(scene.rows(transaction), decision, scene.policy, refused)
        ),
    )
    assert scene.used() == charged
    state = scene.one.read(lambda transaction: transaction.rows("SELECT state FROM sms"))
    assert state == [(State.AMBIGUOUS,)]
