"""A message as the frames its devices get: built once, used for all of them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from onepush_core import Message
from onepush_ws.protocol import TEXT, server_frame


class Pushed(msgspec.Struct, omit_defaults=True):
    """The JSON object in a frame. What has no value is left out."""

    id: str
    appId: str  # noqa: N815
    alert: str
    pushMsgType: str  # noqa: N815
    needConfirm: bool  # noqa: N815
    tenantCode: str | UnsetType = UNSET  # noqa: N815
    title: str | UnsetType = UNSET
    extra: Any = UNSET
    sound: str | UnsetType = UNSET
    badge: int | UnsetType = UNSET


class Frames(NamedTuple):
    """The frame for IOS devices and the one for all others; often the same object."""

    plain: bytes
    ios: bytes


def encode_message(message: Message, *, ios: bool) -> bytes:
    """The message as JSON in UTF-8; ``sound`` and ``badge`` only for IOS devices."""
    pushed = Pushed(
        id=message.id,
        appId=message.app.id,
        alert=message.alert,
        pushMsgType=message.type,
        needConfirm=message.need_confirm,
        tenantCode=message.tenant or UNSET,
        title=_given(message.title),
        extra=_given(message.extra),
        sound=_given(message.sound) if ios else UNSET,
        badge=_given(message.badge) if ios else UNSET,
    )
    return msgspec.json.encode(pushed)


def build_frames(message: Message) -> Frames:
    """Both frames of a message."""
    plain = server_frame(TEXT, encode_message(message, ios=False))
    if message.sound is None and message.badge is None:
        return Frames(plain, plain)
    return Frames(plain, server_frame(TEXT, encode_message(message, ios=True)))


class FrameCache:
    """The frames of the messages used last, by message key. A message never changes."""

    def __init__(self, size: int = 128) -> None:
        self._size = size
        self._frames: OrderedDict[int, Frames] = OrderedDict()

    def of(self, message: Message) -> Frames:
        """The message's frames, built at first use."""
        frames = self._frames.get(message.key)
        if frames is None:
            frames = self._frames[message.key] = build_frames(message)
            if len(self._frames) > self._size:
                self._frames.popitem(last=False)
        else:
            self._frames.move_to_end(message.key)
        return frames


def _given(value: Any) -> Any:
    return UNSET if value is None else value
