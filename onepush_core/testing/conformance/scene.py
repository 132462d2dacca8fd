"""The scene of a transport's checks: a gateway with the transport and a bystander, and devices of both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import gevent

from onepush_core.ids import new_device_id
from onepush_core.objects import Device, Outcome, Outcomes, Registration
from onepush_core.store import devices as devices_store
from onepush_core.testing.manual_clock import ManualClock
from onepush_core.testing.stages import Stage
from onepush_core.testing.transports import RecordingTransport

BYSTANDER = "0-bystander"
"""First in the alphabet, so asked last."""
MOST_ALIASES = 1000
"""What a send may list; more than that are sent to as the whole app."""


class Call:
    """One call of ``deliver``: whom it was offered, what it said, what it raised (Timeout: cut off)."""

    def __init__(self, offered: list[int]) -> None:
        self.offered = offered
        self.said: list[Any] = []
        self.error: BaseException | None = None

    @property
    def outcomes(self) -> list[Outcome]:
        """What it said, device by device; nonsense left out."""
        return [outcome for one in self.said for outcome in one_by_one(one)]


def one_by_one(said: Any) -> Iterable[Outcome]:
    """An answer as one outcome for each device."""
    if isinstance(said, Outcome):
        return [said]
    if not isinstance(said, Outcomes):
        return []
    fields = (said.status, said.reason, said.retry_after, said.again)
    return [Outcome(device, *fields) for device in said.devices]


class Report(NamedTuple):
    """What came of one send."""

    request: str
    calls: list[Call]

    @property
    def outcomes(self) -> list[Outcome]:
        """What the transport said, call by call."""
        return [outcome for call in self.calls for outcome in call.outcomes]

    @property
    def named(self) -> list[int]:
        """Keys of the devices that it spoke of, in order."""
        return [outcome.device for outcome in self.outcomes]

    @property
    def errors(self) -> list[BaseException]:
        """What it raised."""
        return [call.error for call in self.calls if call.error is not None]

    def of(self, device: Device) -> Outcome | None:
        """The first thing it said of a device."""
        return next((one for one in self.outcomes if one.device == device.key), None)

    def about(self, devices: Sequence[Device]) -> list[Outcome]:
        """What it said of these devices."""
        keys = {device.key for device in devices}
        return [outcome for outcome in self.outcomes if outcome.device in keys]


class Scene:
    """A gateway with the transport under the name ``name``. ``message``: fields of every send."""

    def __init__(
        self,
        folder: Path,
        name: str,
        plugin: object,
        *,
        settings: Mapping[str, Mapping[str, Any]],
        message: Mapping[str, Any],
        waits: float,
    ) -> None:
        self.name = name
        self.plugin = plugin
        self.clock = ManualClock()
        self.calls: list[Call] = []
        self._message = message
        self._waits = waits
        self._others: set[int] = set()
        self._numbers = count(1)
        self.bystander = RecordingTransport(wanted=lambda device: device.key in self._others)
        plugins = {name: plugin, BYSTANDER: self.bystander}
        self.stage = Stage(folder, plugins, clock=self.clock, settings=settings)
        self.gateway = self.stage.gateway
        self.client = self.stage.create_client()
        outlet = self.gateway.asking.find(name)
        outlet.call = self._watch(outlet.call)

    def close(self) -> None:
        """Stop the gateway."""
        self.stage.stop()

    # --- devices ------------------------------------------------------------------------------

    def add(self, registrations: Sequence[Mapping[str, Any]], alias: str) -> list[Device]:
        """Register devices, each of another person: in one commit, since there may be a thousand."""
        now, app = self.gateway.clock.now(), self.client.app.key
        wanted = [
            (_registration(fields, f"{alias}-{next(self._numbers)}"), new_device_id())
            for fields in registrations
        ]
        ids = self.gateway.write(
            lambda transaction: [
                devices_store.register(transaction, app, one, new_id, now)[0] for one, new_id in wanted
            ]
        )
        return [self.client.device(one) for one in ids]

    def add_others(self, registrations: Sequence[Mapping[str, Any]]) -> list[Device]:
        """Register devices that are the bystander's."""
        devices = self.add(registrations, "other")
        self._others.update(device.key for device in devices)
        return devices

    # --- sending ------------------------------------------------------------------------------

    def send(self, devices: Sequence[Device], **fields: Any) -> Report:
        """Send to the people of these devices, and wait until everybody asked has answered."""
        report = self.try_send(devices, **fields)
        assert report is not None, "the send was refused"
        return report

    def try_send(self, devices: Sequence[Device], **fields: Any) -> Report | None:
        """The same; None when the send is refused."""
        before = len(self.calls)
        aliases = [device.alias for device in devices]
        audiences = aliases if len(aliases) <= MOST_ALIASES else ["ALL"]
        answer = self.client.try_send(*audiences, **{**self._message, **fields})
        if answer.status_code != 200:
            return None
        self.stage.settle()
        if self._waits:
            self.clock.advance(self._waits)
        return Report(answer.json["requestId"], self.calls[before:])

    def _watch(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(**arguments: Any) -> list[Any]:
            noted = Call(list(arguments["devices"].keys))
            self.calls.append(noted)
            with _noting_errors(noted):
                answers = call(**arguments)
            return [_repeat(answer, noted) for answer in answers]

        return watched


@contextmanager
def _noting_errors(call: Call) -> Iterator[None]:
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException as error:
        call.error = error
        raise


def _repeat(answer: Any, call: Call) -> Any:
    """The same answer, noted while it is read."""
    if not isinstance(answer, Iterable):
        call.said.append(answer)
        return answer
    return _noting(answer, call)


def _noting(answer: Iterable[Any], call: Call) -> Iterator[Any]:
    with _noting_errors(call):
        for said in answer:
            call.said.append(said)
            yield said


def longest_gap(work: Callable[[], object], beat: float = 0.005) -> float:
    """Run ``work``; the longest time for which no other greenlet could run meanwhile, in seconds."""
    gaps = [0.0]

    def beats() -> None:
        last = time.monotonic()
        while True:
            gevent.sleep(beat)
            gaps.append(time.monotonic() - last - beat)
            last = time.monotonic()

    heart = gevent.spawn(beats)
    gevent.sleep(beat)
    try:
        work()
        gevent.sleep(beat)
    finally:
        heart.kill()
    return max(gaps)


def _registration(fields: Mapping[str, Any], alias: str) -> Registration:
    """A registration from the fields of the REST call."""
    told = {"alias": alias, "platform": "ANDROID", **fields}
    return Registration(
        alias=told["alias"],
        platform=told["platform"],
        token=told["nativeToken"],
        mobile=told.get("mobile"),
        tags=told.get("tags"),
        tenant=told.get("tenantCode"),
        vendor=told.get("vendor"),
    )
