"""A sound transport for a vendor of letters, each of its steps a method: flawed ones replace a single one."""

from __future__ import annotations

from itertools import islice

import structlog

from onepush_core import HttpClient, NoAnswer, Outcome, Status, hookimpl
from onepush_core.testing import Reply

log = structlog.get_logger("letters")
LIMIT = 3
SECRET = "the-secret-of-letters"
RETRY = 20.0


def letters(request, dead):
    """The vendor: POST {"to": [...], "text": "..."} with its secret."""
    if request.headers.get("authorization") != f"Bearer {SECRET}":
        return Reply(401, json={})
    return Reply(json={"results": {one: "dead" if one in dead else "ok" for one in request.json["to"]}})


class Letters:
    """The sound one."""

    limit = LIMIT
    seconds = 0.3
    largest = 1 << 20

    def __init__(self, url):
        self.url = url
        self.http = HttpClient(self.seconds, self.largest, headers={"Authorization": f"Bearer {SECRET}"})

    def takes(self, message, device):
        return device.vendor == "LETTERS"

    @hookimpl
    def deliver(self, message, devices):
        mine = [device for device in devices if self.takes(message, device)]
        rest = iter(mine)
        while part := list(islice(rest, self.limit)):
            yield from self.send(message, part)

    @hookimpl
    def shutdown(self):
        self.let_go()

    def let_go(self):
        self.http.close()

    def send(self, message, devices):
        try:
            answer = self.call(message, devices)
            return self.read(answer, devices)
        except NoAnswer as error:
            return self.failed(devices, error.reason, RETRY)

    def call(self, message, devices):
        return self.http.call("POST", self.url, json=self.body(message, devices))

    def body(self, message, devices):
        return {"to": [device.token for device in devices], "text": message.alert}

    def read(self, answer, devices):
        if answer.status != 200:
            return self.refused(answer, devices)
        told = answer.json()
        results = told.get("results") if isinstance(told, dict) else None
        if not isinstance(results, dict):
            raise NoAnswer("malformed answer")
        return [self.outcome(device, results.get(device.token)) for device in devices]

    def refused(self, answer, devices):
        wait = None if 300 <= answer.status < 500 and answer.status != 429 else self.wait(answer)
        return self.failed(devices, f"http {answer.status}", wait)

    def wait(self, answer):
        return max(RETRY, answer.retry_after or 0.0)

    def outcome(self, device, result):
        if result == "dead":
            return Outcome(device.key, Status.GONE, "unknown")
        return Outcome(device.key, Status.SENT)

    def failed(self, devices, reason, wait=None):
        return [Outcome(device.key, Status.FAILED, reason, wait) for device in devices]
