"""Transports with one flaw each, under the checks. Run by test_conformance_fails.py; each class says in
``CAUGHT`` which checks have to fail, and no others, and in ``SENTENCE`` what they say of it.
"""

from __future__ import annotations

import json

import gevent
import requests
from gevent import monkey

from onepush_core import HttpAnswer, HttpClient, NoAnswer, Outcome, Outcomes, Status, hookimpl
from onepush_core.testing import VendorTransportConformance
from tests.testing.sound import LIMIT, RETRY, SECRET, Letters, letters, log


class Checks(VendorTransportConformance):
    name = "letters"
    limit = LIMIT
    deadline = 1.0
    secrets = (SECRET,)
    Plugin = Letters
    CAUGHT = ()
    SENTENCE = ""

    def make_plugin(self):
        return self.Plugin(self.vendor.url)

    def my_device(self, number):
        return {"vendor": "LETTERS", "nativeToken": f"letter-box-{number}"}

    def answer(self, request, dead):
        return letters(request, dead)

    def addresses_in(self, request):
        return request.json["to"]


class TestSound(Checks):
    """Nothing is wrong with it."""


class TestGreedy(Checks):
    class Plugin(Letters):
        def takes(self, message, device):
            return True

    CAUGHT = ("test_takes_none_but_its_own",)
    SENTENCE = "an outcome for a device that is not the plugin's"


class TestGreedyInSecret(Checks):
    """It wants its own only, and speaks of all."""

    class Plugin(Letters):
        takes = None

        @hookimpl
        def deliver(self, message, devices):
            for device in devices:
                if device.vendor == "LETTERS":
                    yield from self.send(message, [device])
                else:
                    yield Outcome(device.key, Status.FAILED, "not mine")

        limit = 1

    limit = 1
    CAUGHT = ("test_takes_none_but_its_own",)
    SENTENCE = "an outcome for a device that is not the plugin's"


class TestForgetful(Checks):
    class Plugin(Letters):
        @hookimpl
        def deliver(self, message, devices):
            return list(super().deliver(message, devices))[:20]

    CAUGHT = ("test_names_each_of_its_devices_once",)
    SENTENCE = "5 of 25 devices of the plugin got no outcome"


class TestStuttering(Checks):
    class Plugin(Letters):
        @hookimpl
        def deliver(self, message, devices):
            outcomes = list(super().deliver(message, devices))
            return outcomes + outcomes

    CAUGHT = ("test_names_each_of_its_devices_once",)
    SENTENCE = "more than one outcome in one round"


class TestPresumptuous(Checks):
    class Plugin(Letters):
        @hookimpl
        def deliver(self, message, devices):
            yield from super().deliver(message, devices)
            yield Outcomes([987_654], Status.SENT)

    CAUGHT = ("test_names_only_devices_it_was_offered",)
    SENTENCE = "an outcome for a device that was not offered"


class TestBabbling(Checks):
    class Plugin(Letters):
        def outcome(self, device, result):
            return Outcome(device.key, super().outcome(device, result).status, f"{result} " * 50)

    CAUGHT = ("test_says_nothing_but_outcomes",)
    SENTENCE = "reason is not a text of at most 80 characters"


class TestAsciiOnly(Checks):
    class Plugin(Letters):
        def body(self, message, devices):
            message.alert.encode("ascii")
            return super().body(message, devices)

    CAUGHT = ("test_takes_any_text",)
    SENTENCE = "deliver raised UnicodeEncodeError for alert ="


class TestTalkative(Checks):
    class Plugin(Letters):
        def call(self, message, devices):
            log.debug("calling", to=[device.token for device in devices])
            return super().call(message, devices)

    CAUGHT = ("test_keeps_secrets",)
    SENTENCE = "the log holds a nativeToken"


class TestQuoting(Checks):
    class Plugin(Letters):
        def outcome(self, device, result):
            return Outcome(device.key, super().outcome(device, result).status, f"to {device.token}")

    CAUGHT = ("test_keeps_secrets",)
    SENTENCE = "the reason of an Outcome holds a nativeToken"


class TestSleepy(Checks):
    class Plugin(Letters):
        @hookimpl
        def deliver(self, message, devices):
            outcomes = list(super().deliver(message, devices))
            if len(outcomes) == 3 and message.alert == "hello":
                monkey.get_original("time", "sleep")(0.55)
            return outcomes

    deadline = 2.0
    CAUGHT = ("test_lets_others_run",)
    SENTENCE = "nothing else could run for"


class TestClinging(Checks):
    class Plugin(Letters):
        under_way = 0

        def call(self, message, devices):
            self.under_way += 1
            try:
                return super().call(message, devices)
            finally:
                self.under_way -= 1

        def let_go(self):
            if self.under_way:
                gevent.sleep(30)

    CAUGHT = ("test_lets_go_at_shutdown",)
    SENTENCE = "shutdown has not come back after 3 s"


class TestOnlyOnce(Checks):
    """It keeps its port, so to speak."""

    class Plugin(Letters):
        @hookimpl
        def startup(self, gateway):
            devices = gateway.read(lambda transaction: transaction.row("SELECT count(*) FROM device"))
            self.restarted = devices[0] > 0

        def call(self, message, devices):
            if self.restarted:
                raise RuntimeError
            return super().call(message, devices)

    CAUGHT = ("test_starts_again",)
    SENTENCE = "deliver raised RuntimeError in process 2"


class TestUnlimited(Checks):
    class Plugin(Letters):
        limit = 1000

    CAUGHT = ("test_splits_at_its_limit",)
    SENTENCE = "one request named 4 addresses, not 3"


class TestOneByOne(Checks):
    class Plugin(Letters):
        limit = 1

    CAUGHT = ("test_splits_at_its_limit",)
    SENTENCE = "3 devices took 3 requests, not 1"


class TestBlindToDeath(Checks):
    class Plugin(Letters):
        def outcome(self, device, result):
            return Outcome(device.key, Status.SENT if result == "ok" else Status.FAILED)

    CAUGHT = ("test_dead_address_is_gone",)
    SENTENCE = "a dead address is not answered with GONE"


class TestAllOrNothing(Checks):
    class Plugin(Letters):
        def read(self, answer, devices):
            outcomes = super().read(answer, devices)
            gone = any(one.status is Status.GONE for one in outcomes)
            return [Outcome(one.device, Status.GONE) for one in outcomes] if gone else outcomes

    CAUGHT = ("test_dead_address_is_gone",)
    SENTENCE = "spoils it for the living ones"


class TestExploding(Checks):
    class Plugin(Letters):
        def refused(self, answer, devices):
            if answer.status == 500:
                raise ValueError
            return super().refused(answer, devices)

    CAUGHT = ("test_survives[server-error]",)
    SENTENCE = "deliver raised ValueError when the vendor is in trouble: server error"


class TestTrusting(Checks):
    """It takes the vendor's word for the shape of its JSON."""

    class Plugin(Letters):
        def read(self, answer, devices):
            if answer.status != 200:
                return self.refused(answer, devices)
            results = answer.json()["results"]
            return [self.outcome(device, results.get(device.token)) for device in devices]

    CAUGHT = ("test_survives[other-JSON]",)
    SENTENCE = "deliver raised TypeError"


class TestDeepReader(Checks):
    """It knows that JSON may be malformed, not that it may be too deep."""

    class Plugin(Letters):
        def read(self, answer, devices):
            if answer.status == 200:
                try:
                    json.loads(answer.body)
                except ValueError:
                    raise NoAnswer("no JSON") from None
            return super().read(answer, devices)

    CAUGHT = ("test_survives[deeply-nested-JSON]",)
    SENTENCE = "deliver raised RecursionError"


class TestCredulous(Checks):
    class Plugin(Letters):
        def read(self, answer, devices):
            if answer.status == 200 and not answer.body:
                return [Outcome(device.key, Status.SENT) for device in devices]
            return super().read(answer, devices)

    CAUGHT = ("test_survives[empty-answer]",)
    SENTENCE = "an answer counts as success that is none: empty answer"


class TestMurderous(Checks):
    class Plugin(Letters):
        def send(self, message, devices):
            outcomes = super().send(message, devices)
            return [
                Outcome(one.device, Status.GONE) if one.reason == "connection failed" else one
                for one in outcomes
            ]

    CAUGHT = (
        "test_survives[connection-refused]",
        "test_survives[connection-reset]",
        "test_survives[hang-up]",
        "test_survives[torn-answer]",
        "test_survives[long-header]",
    )
    SENTENCE = "an address counts as dead because the vendor is in trouble"


class TestFainthearted(Checks):
    class Plugin(Letters):
        def send(self, message, devices):
            outcomes = super().send(message, devices)
            return [
                Outcome(one.device, one.status, one.reason) if one.reason == "timeout" else one
                for one in outcomes
            ]

    CAUGHT = ("test_survives[silence]", "test_survives[drip]")
    SENTENCE = "FAILED without retry_after, though it may pass"


class TestPatient(Checks):
    """The timeout of requests starts anew with every byte."""

    class Plugin(Letters):
        def call(self, message, devices):
            try:
                answer = requests.post(
                    self.url,
                    json=self.body(message, devices),
                    headers={"Authorization": f"Bearer {SECRET}"},
                    timeout=self.seconds,
                    allow_redirects=False,
                    stream=True,
                )
                body = answer.raw.read(1 << 20)
            except (requests.RequestException, OSError) as error:
                raise NoAnswer("connection failed") from error
            except Exception as error:
                raise NoAnswer("malformed answer") from error
            return HttpAnswer(answer.status_code, answer.headers, body)

    CAUGHT = ("test_survives[drip]",)
    SENTENCE = "deliver had not come back after 1 s"


class TestGluttonous(Checks):
    """It has much patience, and memory, with who answers at once."""

    class Plugin(Letters):
        def call(self, message, devices):
            try:
                return super().call(message, devices)
            except NoAnswer as error:
                if error.reason != "answer too large":
                    raise
                eager = HttpClient(20.0, 1 << 30)
                return eager.call("POST", self.url, json=self.body(message, devices))

    deadline = 25.0
    CAUGHT = ("test_survives[endless-answer]",)
    SENTENCE = "an endless answer is read to its end: bound its size"


class TestObedient(Checks):
    """It goes wherever it is sent, with all that it has."""

    class Plugin(Letters):
        def call(self, message, devices):
            answer = super().call(message, devices)
            if answer.status == 307:
                self.http.call("POST", answer.headers["Location"], json=self.body(message, devices))
            return answer

    CAUGHT = ("test_survives[redirect]",)
    SENTENCE = "a redirect is followed"


class TestImpatient(Checks):
    class Plugin(Letters):
        def wait(self, answer):
            return RETRY

    CAUGHT = ("test_waits_as_long_as_it_is_told[too_many]", "test_waits_as_long_as_it_is_told[unavailable]")
    SENTENCE = "the vendor asked for 120 s by Retry-After, retry_after is 20.0"


class TestRepeating(Checks):
    """What was taken is said to have failed, and so comes again: but only the second time it is tried."""

    class Plugin(Letters):
        def __init__(self, url):
            super().__init__(url)
            self.refusals = 0

        def refused(self, answer, devices):
            self.refusals += answer.status == 429
            return super().refused(answer, devices)

        def outcome(self, device, result):
            if self.refusals == 1:
                self.refusals += 1
                return Outcome(device.key, Status.FAILED, "not sure", RETRY)
            return super().outcome(device, result)

    CAUGHT = ("test_message_arrives_after_trouble",)
    SENTENCE = "what the vendor has taken is sent to it again"
