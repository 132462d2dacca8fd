"""Every request and answer of the REST API as a type: what validates them also makes /openapi.json.

Attribute names are ours, those in JSON are camel case. Bounds in bytes stand in ``translation``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

MAX_DURATION = 259_200

Platform = Literal["ANDROID", "IOS", "PC", "WEB"]
AnyPlatform = Literal["ALL", "ANDROID", "IOS", "PC", "WEB"]


class Request(msgspec.Struct, rename="camel", kw_only=True):
    """What all requests have in common: unknown fields are ignored, null means left out."""


class Answer(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """What all answers have in common: a field that may be left out is left out when null."""


class RegisterRequest(Request):
    """A device says who it is; the same (appId, nativeToken) again updates it."""

    app_id: str
    alias: Annotated[str, Meta(description="The person; 1 to 256 bytes.")]
    platform: Platform
    native_token: Annotated[str, Meta(description="Identifies the device within the app; 1 to 4096 bytes.")]
    mobile: Annotated[str | None, Meta(description="Where an SMS goes; at most 32 bytes.")] = None
    tag: Annotated[list[str] | None, Meta(description="At most 100, of 1 to 64 bytes each.")] = None
    tenant_code: Annotated[str | None, Meta(description="At most 64 bytes.")] = None
    vendor: Annotated[
        str | None, Meta(description="The channel that owns nativeToken: A-Z, 0-9 and _, at most 32.")
    ] = None


class RegisterAnswer(Answer):
    """The device id: whoever knows it can connect as this device."""

    id: str


class SendRequest(Request):
    """One message and for whom."""

    app_id: str
    app_key: str
    platform: AnyPlatform
    audiences: Annotated[
        list[str] | dict[str, Any],
        Meta(
            description="1 to 1000, none blank; ALL alone, in any case, means the whole app."
            " An object where the audienceType has such a form."
        ),
    ]
    alert: Annotated[str, Meta(description="The text; 1 to 4096 bytes.")]
    audience_type: Annotated[str | None, Meta(description="ALIAS if left out.")] = None
    title: str | None = None
    extra: Annotated[Any, Meta(description="Any JSON value, handed to the app as it is.")] = None
    push_msg_type: Annotated[Literal["MSG", "CMD"] | None, Meta(description="MSG if left out.")] = None
    need_confirm: bool | None = None
    duration: Annotated[
        int | None, Meta(description="Life in seconds; left out, negative or above 259200: 259200.")
    ] = None
    tenant_code: Annotated[str | None, Meta(description="At most 64 bytes.")] = None
    sender: str | None = None
    send_deive: str | None = None
    send_device: Annotated[str | None, Meta(description="The same as sendDeive.")] = None
    sound: str | None = None
    badge: Annotated[int, Meta(ge=0, le=99_999)] | None = None
    sms_message: Annotated[str | None, Meta(description="SMS for whom nothing else reached.")] = None
    sms_delay: Annotated[int, Meta(ge=0, le=MAX_DURATION, description="In seconds.")] | None = None
    options: Annotated[
        dict[str, dict[str, Any]] | None, Meta(description="Settings for single plugins, by plugin name.")
    ] = None


class SendAnswer(Answer):
    """The message is stored; this is its id."""

    request_id: str
    warning: Annotated[
        str | None, Meta(description="Why nobody gets it just now: no transport is loaded.")
    ] = None


class Counts(Answer):
    """Deliveries of a message by state; their sum is ``total``."""

    pending: int
    confirmed: int
    handed_off: int
    expired: int
    cancelled: int
    dropped: int


class TransportCounts(Answer):
    """What one transport answered, by outcome."""

    sent: int
    delivered: int
    failed: int
    gone: int


class MessageStatus(Answer):
    """What became of a message. Times are RFC 3339, UTC."""

    request_id: str
    state: Literal["dispatching", "active", "finished", "cancelled"]
    accepted_at: str
    expires_at: str
    total: int
    counts: Counts
    transports: dict[str, TransportCounts]
    warning: Annotated[str | None, Meta(description="As in the answer to the send; of this moment.")] = None


class TrailEntry(Answer):
    """One transport was asked: when, and what it answered."""

    at: str
    transport: str
    outcome: str
    reason: str | None = None


class Delivery(Answer):
    """What became of a message for one device."""

    device_id: str
    platform: Platform
    state: Literal["pending", "confirmed", "handedOff", "expired", "cancelled", "dropped"]
    attempts: int
    trail: list[TrailEntry]
    alias: str | None = None


class Deliveries(Answer):
    """A page of deliveries; ``next`` is the cursor of the following page, null on the last one."""

    deliveries: list[Delivery]
    next: str | None


class DeviceEntry(Answer):
    """A registered device."""

    device_id: str
    alias: str
    platform: Platform
    online: bool
    tags: list[str]
    vendor: str | None = None


class Devices(Answer):
    """A page of devices; ``next`` as in deliveries."""

    devices: list[DeviceEntry]
    next: str | None


class CreateAppRequest(Request):
    """A new app."""

    name: Annotated[str, Meta(description="1 to 100 bytes of printable text.")]


class CreatedApp(Answer):
    """A new app and its key, which is shown this once."""

    id: str
    name: str
    app_key: str


class AppEntry(Answer):
    """An app, without its key."""

    id: str
    name: str
    enabled: bool
    created_at: str


class Alive(Answer):
    """The process answers."""

    status: Literal["live"]


class PluginReadiness(Answer):
    """Whether a plugin takes part, and why not."""

    state: Literal["active", "idle", "set aside"]
    reason: str | None = None


class Readiness(Answer):
    """Whether a commit and a dispatch went through just now, and the plugins' states.

    ``cluster``: whether the other workers hear of this one, where there may be others.
    """

    status: Literal["ready", "not ready"]
    commit: Literal["ok", "failed"]
    dispatch: Literal["ok", "failed"]
    cluster: Literal["ok", "failed"]
    plugins: dict[str, PluginReadiness]


class ErrorBody(Answer):
    """What went wrong; the codes stand in docs/http-api.md."""

    code: int
    message: str
