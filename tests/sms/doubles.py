"""What the SMS tests share: a gateway whose clock is moved by hand, a provider that does as told."""

from __future__ import annotations

import uuid

from gevent.event import Event

from harness.databases import POOL, database_url
from harness.waiting import eventually
from onepush_core import Outcome, Status, hookimpl
from onepush_core.objects import Draft, Registration, Selector
from onepush_core.testing import ManualClock, RecordingSockets, Stage
from onepush_sms.objects import Answer, Verdict
from onepush_sms.plugin import SmsPlugin
from onepush_sms.segments import count_segments
from onepush_sms.sending import SETTLING
from onepush_sms.settings import read_settings

ACCEPTED = Answer(Verdict.ACCEPTED, reference="ref")
NUMBER = "13711112222"
MASK = "+86 137****2222"


class FakeProvider:
    """Remembers each SMS; answers what the test has put into ``answers``, then ACCEPTED.

    While ``hold`` is not set, calls wait; ``called`` is set by each.
    """

    name = "fake"
    extra_keys = frozenset()

    def __init__(self):
        self.sent = []
        self.answers = []
        self.hold = Event()
        self.hold.set()
        self.called = Event()

    def prepare(self):
        pass

    def count_segments(self, text):
        return count_segments(text)

    def send(self, sms):
        self.sent.append(sms)
        self.called.set()
        self.hold.wait()
        answer = self.answers.pop(0) if self.answers else ACCEPTED
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def numbers(self):
        """The numbers called, in order."""
        return [sms.number for sms in self.sent]


class Vendor:
    """A transport beside the lane that takes the devices with a vendor, once it is let."""

    def __init__(self):
        self.let = Event()
        self.held = 0

    def takes(self, message, device):
        return device.vendor is not None

    @hookimpl
    def deliver(self, message, devices, waited):
        self.held += 1
        self.let.wait()
        self.held -= 1
        return [Outcome(one.key, Status.SENT) for one in devices]


class Bench:
    """A gateway in this process with the SMS plugin on a fake provider, and one app."""

    def __init__(self, folder, table=None, provider=None, ahead=0.0, **delivery):
        self.clock = ManualClock()
        self.clock.jump(ahead)
        self.waits = (table or {}).get("delay", 60) > 0
        self.provider = provider or FakeProvider()
        self.sockets, self.vendor = RecordingSockets(connected=set()), Vendor()
        self.plugin = SmsPlugin(read_settings({"delay": 60, **(table or {})}), make=lambda *_: self.provider)
        plugins = {"sockets": self.sockets, "vendor": self.vendor, "sms": self.plugin}
        store = {"database": database_url(folder), "pool": POOL}
        settings = {"delivery": delivery, "store": store}
        self.stage = Stage(folder, plugins, clock=self.clock, settings=settings)
        self.gateway = self.stage.gateway
        self.app = self.add_app()

    def add_app(self):
        made = self.gateway.create_app("test")
        return self.gateway.authenticate(made["appId"], made["appKey"])

    def register(self, alias, mobile=None, token=None, online=False, platform="ANDROID", **more):
        """A device; its key."""
        registration = Registration(
            alias=alias,
            platform=platform,
            token=token or uuid.uuid4().hex,
            mobile=mobile,
            **more,
        )
        device = self.gateway.find_device(self.gateway.register(self.app.id, registration))
        if online:
            self.sockets.connected.add(device.key)
        return device.key

    def begin(self, *aliases, text="your code is 1234", **more):
        """Send; the message's id."""
        draft = Draft(
            alert="hello", selector=Selector("ALIAS", aliases or ("ann",)), sms_message=text, **more
        )
        return self.gateway.send(self.app, draft)[0]

    def accept(self, *aliases, **more):
        """Send, and wait for the first round; the message's id."""
        message = self.begin(*aliases, **more)
        self.await_round(message)
        return message

    def await_round(self, message):
        """Wait for the first round of a message."""
        eventually(lambda: self.gateway.status(self.app, message)["state"] != "dispatching")

    def send(self, *aliases, **more):
        """The same; without a delay the seconds pass too for which a person's devices are waited for."""
        message = self.accept(*aliases, **more)
        if not self.waits:
            self.pass_time(SETTLING)
        return message

    def find(self, message, index=0):
        """The id of one of the message's devices."""
        return self.gateway.deliveries(self.app, message, None, 1000)["deliveries"][index]["deviceId"]

    def pass_time(self, seconds=60.0):
        """Let the wait of an SMS end. Who is held up by a test is not waited for."""
        if self.provider.hold.is_set() and not self.vendor.held:
            return self.clock.advance(seconds)
        self.clock.jump(seconds)
        return self.stage.look()

    def counts(self, message):
        """The counts that are not zero."""
        found = self.gateway.status(self.app, message)["counts"]
        return {state: number for state, number in found.items() if number}

    def trail(self, message, transport="sms"):
        """(outcome, reason) of a transport, for all devices, in order."""
        found = self.gateway.deliveries(self.app, message, None, 1000)["deliveries"]
        return [
            (line["outcome"], line.get("reason"))
            for one in found
            for line in one["trail"]
            if line["transport"] == transport
        ]

    def rows(self, columns="state"):
        """Rows of the table of SMS."""
        return self.gateway.read(lambda t: t.rows(f"SELECT {columns} FROM sms ORDER BY key"))

    def used(self):
        """What the budgets have used, by subject and period."""
        return self.gateway.read(
            lambda t: {row[:2]: row[2] for row in t.rows("SELECT subject, period, used FROM sms_budget")}
        )


def settled(bench, message, **counts):
    eventually(lambda: bench.counts(message) == counts)


def rest(bench):
    """Wait until every round that is due has been run, to its end."""
    sms = bench.gateway.asking.find("sms")
    for _ in range(3):
        eventually(lambda: not bench.gateway.followup.run_due() and sms.waiting == 0)
        bench.gateway.flush()


def quiet(bench, message, **counts):
    """Run the rounds that are due; nobody may have been called in them."""
    rest(bench)
    assert bench.counts(message) == counts
    assert bench.provider.sent == []


def offer(bench, message, device, waited):
    """Offer a device to the plugin, as a core would that is late or mistaken."""
    found = bench.gateway.find_message(message)
    devices = [one for one in [bench.gateway.find_device(device)] if one] or [bench.device]
    return list(bench.plugin.deliver(found, devices, waited))
