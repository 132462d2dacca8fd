"""What workers say to each other. Pure: words to bytes and back."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from onepush_core.objects import App, Message
from onepush_core.store import messages


class Place(NamedTuple):
    """Where a page stands among those of its sender: see HandOver."""

    number: int = 0
    at: int = 0
    term: int = 0


FREE = Place()


class Wake(msgspec.Struct, frozen=True, array_like=True, tag="w"):
    """There is something to be dispatched for these apps."""

    apps: list[int]


class HandOver(msgspec.Struct, frozen=True, array_like=True, tag="h"):
    """Offer this message to these devices, whose sockets the receiver holds.

    ``fresh``: a first delivery, from the lane; else ``attempts`` says how often each device was handed it
    before. ``number`` counts what ``sender`` has handed to this receiver, without gaps; 0: not counted.
    ``at``: when the page was stored, in milliseconds since the epoch. ``term``: how often the lane had
    changed hands.
    """

    sender: int
    receiver: int
    number: int
    key: int
    app: tuple[int, str, str]
    body: bytes
    devices: list[int]
    fresh: bool
    attempts: list[int] = []
    at: int = 0
    term: int = 0

    @property
    def message(self) -> Message:
        """The message itself."""
        return messages.decode((self.key, self.body, *self.app))


class LetGo(msgspec.Struct, frozen=True, array_like=True, tag="l"):
    """These devices have connected to ``worker`` now: close their old sockets and record what they got.

    ``devices``: for each the number of its old connection; what is newer stays. ``surely``: the answer, too,
    is to go the surer way.
    """

    worker: int
    ticket: int
    devices: dict[int, int]
    surely: bool = False


class Released(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """The answer to ``LetGo``: done, and recorded."""

    ticket: int


class Notice(msgspec.Struct, frozen=True, array_like=True, tag="n"):
    """Something happened that plugins or the core of every worker want to hear of (see ``events.py``)."""

    event: str
    key: int


Word = Wake | HandOver | LetGo | Released | Notice
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Word)


def encode(word: Word) -> bytes:
    """A word as bytes."""
    return _encoder.encode(word)


def decode(payload: bytes) -> Word | None:
    """The word in these bytes; None for what is none, or one of another version."""
    try:
        word: Word = _decoder.decode(payload)
    except ValueError:  # msgspec's own, and that of a text that is not UTF-8
        return None
    return word


def hand_over(
    sender: int,
    receiver: int,
    message: Message,
    devices: list[int],
    attempts: list[int] | None,
    place: Place = FREE,
) -> HandOver:
    """A message for devices of another worker; ``attempts``: None when this is the first delivery."""
    app: App = message.app
    number, at, term = place
    return HandOver(
        sender,
        receiver,
        number,
        message.key,
        (app.key, app.id, app.name),
        msgspec.json.encode(message),
        devices,
        attempts is None,
        attempts or [],
        at,
        term,
    )
