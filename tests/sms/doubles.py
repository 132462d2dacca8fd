"""What the SMS tests share: a clock that can be set ahead, a provider and a transport that do as told."""

from __future__ import annotations

from gevent.event import Event

from harness.waiting import eventually
from onepush_core import Outcome, Status, hookimpl
from onepush_core.clock import Clock
from onepush_core.gateway import Gateway
from onepush_core.objects import Draft, Registration, Selector
from onepush_core.plugins import load_plugins
from onepush_core.settings import DeliverySettings, Settings, StoreSettings
from onepush_sms.objects import Answer, Verdict
from onepush_sms.plugin import SmsPlugin
from onepush_sms.segments import count_segments
from onepush_sms.settings import read_settings

ACCEPTED = Answer(Verdict.ACCEPTED, reference="ref")
NUMBER = "13711112222"
MASK = "+86 137****2222"


class AheadClock(Clock):
    """Real time, plus the seconds a test adds."""

    def __init__(self):
        self.ahead = 0.0

    def now(self):
        return super().now() + round(self.ahead * 1000)

    def monotonic(self):
        return super().monotonic() + self.ahead


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


class Sockets:
    """A transport that hands over to the devices (keys) in ``online``, as a WebSocket does."""

    def __init__(self):
        self.online = set()

    @hookimpl(tryfirst=True)
    def deliver(self, message, devices, waited):
        status = Status.SENT if message.need_confirm else Status.DELIVERED
        return [Outcome(one.key, status, again=True) for one in devices if one.key in self.online]


class Vendor:
    """A transport beside the lane that takes the devices with a vendor, once it is let."""

    def __init__(self):
        self.let = Event()

    def takes(self, message, device):
        return device.vendor is not None

    @hookimpl
    def deliver(self, message, devices, waited):
        self.let.wait()
        return [Outcome(one.key, Status.SENT) for one in devices]


class Bench:
    """A gateway in this process with the SMS plugin on a fake provider, and one app."""

    def __init__(self, folder, table=None, provider=None, ahead=0.0, **delivery):
        self.clock = AheadClock()
        self.clock.ahead = ahead
        self.provider = provider or FakeProvider()
        self.sockets, self.vendor = Sockets(), Vendor()
        self.plugin = SmsPlugin(read_settings({"delay": 60, **(table or {})}), make=lambda *_: self.provider)
        loaded = load_plugins({}, [])
        for name, plugin in (("sockets", self.sockets), ("vendor", self.vendor), ("sms", self.plugin)):
            loaded.register(plugin, name, "1")
        store = StoreSettings(database=f"sqlite:///{folder}/onepush.db")
        self.gateway = Gateway(
            Settings(store=store, delivery=DeliverySettings(**delivery)), plugins=loaded, clock=self.clock
        )
        self.gateway.start()
        self.app = self.add_app()

    def add_app(self):
        made = self.gateway.create_app("test")
        return self.gateway.authenticate(made["appId"], made["appKey"])

    def register(self, alias, mobile=None, token=None, online=False, platform="ANDROID", **more):
        """A device; its key."""
        registration = Registration(
            alias=alias,
            platform=platform,
            token=token or f"{alias}-{mobile}-{id(object())}-{self.clock.monotonic()}",
            mobile=mobile,
            **more,
        )
        device = self.gateway.find_device(self.gateway.register(self.app.id, registration))
        if online:
            self.sockets.online.add(device.key)
        return device.key

    def send(self, *aliases, text="your code is 1234", **more):
        """Send, and wait for the first round; the message's id."""
        draft = Draft(
            alert="hello", selector=Selector("ALIAS", aliases or ("ann",)), sms_message=text, **more
        )
        message = self.gateway.send(self.app, draft)[0]
        eventually(lambda: self.gateway.status(self.app, message)["state"] != "dispatching")
        return message

    def find(self, message, index=0):
        """The id of one of the message's devices."""
        return self.gateway.deliveries(self.app, message, None, 1000)["deliveries"][index]["deviceId"]

    def pass_time(self, seconds=60.0):
        """Let the wait of an SMS end."""
        self.clock.ahead += seconds

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
    sms = bench.gateway.offering.find("sms")
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
