"""What a transport has to keep that delivers through somebody else's service."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import pytest

from onepush_core.objects import Device, Status
from onepush_core.testing.conformance.findings import DELIVER, OUTCOMES, TROUBLE, require
from onepush_core.testing.conformance.scene import Report, Scene
from onepush_core.testing.conformance.transport import TransportConformance
from onepush_core.testing.troubles import WISHED, Trouble
from onepush_core.testing.vendor import FakeVendor, Reply

TAKEN = (Status.SENT, Status.DELIVERED)
MOST_READ = 16 << 20
LOUD = (Trouble.SERVER_ERROR, Trouble.UNAUTHORIZED, Trouble.GARBAGE, Trouble.OTHER_JSON, Trouble.RESET)
FOR_GOOD = frozenset({Trouble.UNAUTHORIZED, Trouble.REDIRECT})
RECOVERY = 900.0
"""Seconds after which a transport must have come back to a vendor that is well again."""


class Vendor(Protocol):
    """What the checks need of a double: ``FakeVendor`` and ``FakeMailServer`` have it."""

    TROUBLES: ClassVar[tuple[Trouble, ...]]
    requests: Any
    dead: set[str]

    def trouble(self, kind: Trouble, times: int | None = None) -> None:
        """Be in trouble."""

    def recover(self) -> None:
        """Be well again."""

    def close(self) -> None:
        """Be gone."""


class VendorTransportConformance(TransportConformance):
    """The checks of ``TransportConformance`` and those of a transport that calls a vendor.

    ``vendor``: the double; give your plugin its ``url``, and timeouts well below ``deadline``. ``double``:
    its class, when your vendor does not speak HTTP.
    ``limit``: how many addresses one request may name. ``believed``: troubles in which a good status alone is
    rightly taken for success. ``not_repeated``: troubles after which it is right not to try again.
    """

    limit: ClassVar[int] = 1
    believed: ClassVar[Collection[Trouble]] = ()
    not_repeated: ClassVar[Collection[Trouble]] = FOR_GOOD
    double: ClassVar[type[Vendor]] = FakeVendor
    vendor: Any

    # --- yours to write -----------------------------------------------------------------------

    def answer(self, request: Any, dead: Collection[str]) -> Reply:
        """What the vendor answers when it is well. ``dead``: addresses that are dead by now."""
        raise NotImplementedError("answer: return the Reply of a vendor that is well")

    def addresses_in(self, request: Any) -> Sequence[str]:
        """The addresses that a request is for; none where it is about something else, such as a token."""
        raise NotImplementedError("addresses_in: return the addresses that the request names")

    def address_of(self, device: Device) -> str:
        """How the vendor knows a device."""
        return device.token

    def make_vendor(self) -> Vendor:
        """The double, without trouble."""
        if self.double is not FakeVendor:
            return self.double()
        vendor = FakeVendor(lambda request: self.answer(request, vendor.dead))
        return vendor

    # --- the scene ----------------------------------------------------------------------------

    @pytest.fixture(autouse=True)
    def _vendor(self) -> Iterator[None]:
        self.vendor = self.make_vendor()
        yield
        self.vendor.close()

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        """One check for each trouble."""
        if "trouble" in metafunc.fixturenames:
            metafunc.parametrize("trouble", cls.double.TROUBLES, ids=lambda one: one.value.replace(" ", "-"))

    # --- the checks ---------------------------------------------------------------------------

    def test_splits_at_its_limit(self, scene: Scene) -> None:
        """As many addresses in a request as the vendor takes, and not one more."""
        mine = self.add_mine(scene, self.limit)
        self._require_split(scene, mine)
        self._require_split(scene, [*mine, *self.add_mine(scene, 1, after=self.limit)])

    def _require_split(self, scene: Scene, mine: Sequence[Device]) -> None:
        number, before = len(mine), len(self.vendor.requests)
        self.require_no_error(scene.send(mine), f"for {number} devices")
        asked = [list(self.addresses_in(one)) for one in self.vendor.requests[before:]]
        asked = [addresses for addresses in asked if addresses]
        most = max(map(len, asked), default=0)
        require(most <= self.limit, f"one request named {most} addresses, not {self.limit}", TROUBLE)
        named = sorted(address for addresses in asked for address in addresses)
        wanted = sorted(self.address_of(device) for device in mine)
        require(named == wanted, f"{number} devices: the requests did not name each once", DELIVER)
        calls = -(-number // self.limit)
        require(len(asked) == calls, f"{number} devices took {len(asked)} requests, not {calls}", DELIVER)

    def test_dead_address_is_gone(self, scene: Scene) -> None:
        """GONE for the dead address, no word of it to the others; and it is not used again."""
        one, dead, other = mine = self.add_mine(scene, 3)
        self.vendor.dead.add(self.address_of(dead))
        report = scene.send(mine)
        self.require_no_error(report, "for a dead address")
        said = report.of(dead)
        require(said and said.status is Status.GONE, "a dead address is not answered with GONE", OUTCOMES)
        for device in (one, other):
            living = report.of(device)
            require(
                living and living.status in TAKEN,
                "a dead address in the same send spoils it for the living ones",
                OUTCOMES,
            )
        before = len(self.vendor.requests)
        scene.send([dead])
        used = [one for request in self.vendor.requests[before:] for one in self.addresses_in(request)]
        require(not used, "a dead address is used again", OUTCOMES)

    def test_survives(self, scene: Scene, trouble: Trouble) -> None:
        """No exception, back in time, nobody taken for reached or for dead, and another attempt."""
        mine = self.add_mine(scene, 2)
        self.vendor.trouble(trouble)
        report = scene.send(mine)
        self.require_no_error(report, f"when the vendor is in trouble: {trouble}")
        require(report.of(mine[0]), f"no outcome when the vendor is in trouble: {trouble}", TROUBLE)
        said = report.about(mine)
        statuses = {outcome.status for outcome in said}
        gone = Status.GONE in statuses
        require(not gone, f"an address counts as dead because the vendor is in trouble: {trouble}", OUTCOMES)
        if trouble not in self.believed:
            taken = statuses.intersection(TAKEN)
            require(not taken, f"an answer counts as success that is none: {trouble}", TROUBLE)
        if trouble not in self.believed and trouble not in self.not_repeated:
            repeated = all(outcome.retry_after is not None for outcome in said)
            require(repeated, f"FAILED without retry_after, though it may pass: {trouble}", OUTCOMES)
        self._require_caution()

    def _require_caution(self) -> None:
        """What was sent to strangers, and read without an end."""
        elsewhere = getattr(self.vendor, "elsewhere", [])
        require(not elsewhere, "a redirect is followed: the request went to somebody else", TROUBLE)
        read = getattr(self.vendor, "sent", 0)
        require(read <= MOST_READ, "an endless answer is read to its end: bound its size", TROUBLE)

    @pytest.mark.parametrize(
        "busy", [Trouble.TOO_MANY, Trouble.UNAVAILABLE], ids=lambda one: one.name.lower()
    )
    def test_waits_as_long_as_it_is_told(self, scene: Scene, busy: Trouble) -> None:
        """Retry-After (RFC 9110 section 10.2.3) is the least that ``retry_after`` may be."""
        mine = self.add_mine(scene, 1)
        self.vendor.trouble(busy)
        said = scene.send(mine).of(mine[0])
        shortest = None if said is None else said.retry_after
        require(
            (shortest is None and busy in self.not_repeated) or (shortest or 0) >= WISHED,
            f"the vendor asked for {WISHED} s by Retry-After, retry_after is {shortest}",
            TROUBLE,
        )

    def test_message_arrives_after_trouble(self, scene: Scene) -> None:
        """A vendor in trouble hurts nobody else; once it is well, the message arrives, once."""
        mine, others = self.add_mine(scene, 2), self.add_others(scene, 2)
        self.vendor.trouble(Trouble.TOO_MANY)
        report = scene.send([*mine, *others])
        require(
            {device.key for device in others}.issubset(scene.bystander.reached),
            "a vendor in trouble keeps the other transports from their devices",
            DELIVER,
        )
        self.vendor.recover()
        before = len(self.vendor.requests)
        scene.clock.advance(RECOVERY)
        used = [one for request in self.vendor.requests[before:] for one in self.addresses_in(request)]
        wanted = sorted(self.address_of(device) for device in mine)
        minutes = round(RECOVERY / 60)
        require(set(used) == set(wanted), f"the vendor is well for {minutes} min, nothing came", TROUBLE)
        require(sorted(used) == wanted, "what the vendor has taken is sent to it again", OUTCOMES)
        counts = scene.client.counts(report.request)
        require(counts == {"handedOff": 4}, f"after all is well the counts are {counts}", OUTCOMES)

    # --- what the checks share ----------------------------------------------------------------

    def provoke(self, scene: Scene, device: Device, texts: Mapping[str, str]) -> list[Report]:
        """Well, dead, and in trouble of the kinds that are worth a line in a log."""
        reports = [scene.send([device], **texts)]
        for kind in LOUD:
            if kind in self.vendor.TROUBLES:
                self.vendor.trouble(kind)
                reports.append(scene.send([device], **texts))
        self.vendor.recover()
        self.vendor.dead.add(self.address_of(device))
        scene.clock.advance(RECOVERY)
        return [*reports, Report("", scene.calls)]

    def keep_busy(self, scene: Scene) -> None:
        """The vendor does not answer."""
        self.vendor.trouble(Trouble.SILENCE)
