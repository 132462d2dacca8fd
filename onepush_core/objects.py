"""The words of onepush as data: frozen, and importing nothing of ours.

Times are integer milliseconds since the epoch (UTC); durations are seconds.
``key`` is the integer the store uses inside, ``id`` the opaque string the outside sees.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, overload

import msgspec


class Platform(enum.StrEnum):
    """What a device runs on."""

    ANDROID = "ANDROID"
    IOS = "IOS"
    PC = "PC"
    WEB = "WEB"


class MessageType(enum.StrEnum):
    """MSG is meant for people, CMD for the app itself."""

    MSG = "MSG"
    CMD = "CMD"


class App(msgspec.Struct, frozen=True):
    """A sender's registration; it owns devices and messages."""

    key: int
    id: str
    name: str


class Credentials(msgspec.Struct, frozen=True):
    """What a request says of who sent it."""

    app_id: str
    secret: str

    def __repr__(self) -> str:
        return f"Credentials(app_id={self.app_id!r}, secret=…)"


class Device(msgspec.Struct, frozen=True, gc=False):
    """One installation of an app.

    ``id`` and ``token`` are secrets of the device: never log them.
    ``gone``: names of transports that declared its address dead, comma-separated.
    ``attempts`` counts how often the message in hand was handed to it before.
    """

    key: int
    id: str
    app: int
    alias: str
    platform: str
    token: str
    vendor: str | None = None
    mobile: str | None = None
    tenant: str | None = None
    gone: str | None = None
    attempts: int = 0

    def __repr__(self) -> str:
        return f"Device(key={self.key}, platform={self.platform!r}, vendor={self.vendor!r})"


class Registration(msgspec.Struct, frozen=True):
    """What a device says of itself when it registers. ``tags``: None leaves those it has."""

    alias: str
    platform: str
    token: str
    mobile: str | None = None
    tags: tuple[str, ...] | None = None
    tenant: str | None = None
    vendor: str | None = None

    def __repr__(self) -> str:
        return f"Registration(platform={self.platform!r}, vendor={self.vendor!r})"


class Devices(Sequence[Device]):
    """Devices that are offered together. Their ``keys`` are at hand; the rest is read when first needed.

    ``attempts``: how often the message was handed to a device before, where it was (by key).
    """

    def __init__(
        self,
        keys: Sequence[int],
        load: Callable[[Sequence[int]], list[Device]],
        attempts: Mapping[int, int] | None = None,
    ) -> None:
        self.keys = keys
        self.attempts: Mapping[int, int] = attempts or {}
        self._load = load
        self._devices: list[Device] | None = None

    @classmethod
    def of(cls, devices: Sequence[Device]) -> Devices:
        """Devices that have been read already."""
        known = cls(
            [device.key for device in devices],
            lambda keys: [],
            {device.key: device.attempts for device in devices if device.attempts},
        )
        known._devices = list(devices)
        return known

    def only(self, keys: Sequence[int]) -> Devices:
        """Those with these keys."""
        if self._devices is None:
            return Devices(keys, self._load, self.attempts)
        wanted = set(keys)
        return Devices.of([device for device in self._devices if device.key in wanted])

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> Device: ...

    @overload
    def __getitem__(self, index: slice) -> list[Device]: ...

    def __getitem__(self, index: int | slice) -> Device | list[Device]:
        if self._devices is None:
            self._devices = self._load(self.keys)
        return self._devices[index]

    def __iter__(self) -> Iterator[Device]:
        return iter(self[:])


class Selector(msgspec.Struct, frozen=True):
    """For whom: a kind (``ALIAS``, ``TAG``, ``DEVICE``, ``ALL``, …) and its values."""

    kind: str
    values: tuple[str, ...]


class Draft(msgspec.Struct, frozen=True):
    """A send as the caller asked for it: checked, not yet accepted."""

    alert: str
    selector: Selector = Selector("ALL", ("ALL",))
    platform: str = "ALL"
    duration: int = 259_200
    need_confirm: bool = False
    type: str = "MSG"
    title: str | None = None
    extra: Any = None
    tenant: str | None = None
    sender: str | None = None
    send_device: str | None = None
    sound: str | None = None
    badge: int | None = None
    sms_message: str | None = None
    sms_delay: int | None = None
    options: dict[str, Any] = {}


class Message(Draft, frozen=True, kw_only=True):
    """What is sent, the same for every device of its audience: an accepted draft."""

    key: int
    id: str
    app: App
    accepted_at: int
    expires_at: int

    @property
    def transient(self) -> bool:
        """True for ``duration: 0``: whom the first round does not reach gets nothing."""
        return self.duration == 0

    def __repr__(self) -> str:
        return f"Message(id={self.id!r})"


class Status(enum.StrEnum):
    """What a transport can say at once of one device.

    SENT: the transport accepted it, nothing more.
    DELIVERED: handed over for good; nothing more will be done for this device.
    HELD: the transport has it in hand and reports later through ``gateway.record``.
    FAILED: may work elsewhere or later.
    GONE: this address is dead; the core forgets it.
    """

    SENT = "sent"
    DELIVERED = "delivered"
    HELD = "held"
    FAILED = "failed"
    GONE = "gone"


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of one device in one call of ``deliver``.

    ``device``: the device's key. ``reason``: short, for the trail, without personal data.
    ``retry_after``: with FAILED, seconds after which the same transport may be asked again;
    None: not again. ``again``: with SENT, ask this transport again on the resend schedule
    until a receipt comes.
    """

    device: int
    status: Status
    reason: str | None = None
    retry_after: float | None = None
    again: bool = False


class Outcomes(msgspec.Struct, frozen=True, gc=False):
    """The same outcome for many devices: what ``Outcome`` says of one, at a tenth of the cost."""

    devices: Sequence[int]
    status: Status
    reason: str | None = None
    retry_after: float | None = None
    again: bool = False


class Receipt(msgspec.Struct, frozen=True):
    """Proof that a device has a message: the message's id and the device's key."""

    message: str
    device: int
    transport: str
    at: int


class DeliveryState(enum.IntEnum):
    """Where one delivery (message × device) stands; all but PENDING are final."""

    PENDING = 0
    CONFIRMED = 1
    HANDED_OFF = 2
    EXPIRED = 3
    CANCELLED = 4
    DROPPED = 5


class MessageState(enum.IntEnum):
    """DISPATCHING: the first round is under way. ACTIVE: some deliveries are pending."""

    DISPATCHING = 0
    ACTIVE = 1
    FINISHED = 2
    CANCELLED = 3
