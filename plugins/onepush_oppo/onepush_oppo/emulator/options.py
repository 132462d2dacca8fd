"""How an emulator behaves; can be changed while it runs."""

from __future__ import annotations

from typing import Any

import msgspec

OPPO_DAY = 86_400.0


class EmulatorOptions(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Times are seconds; 0 as a quota or rate means that there is none.

    ``credentials``: app keys and their master secrets. ``body_token_only``: refuse a token in a header.
    ``arrive_after``: when phones say that a message arrived; None: only on request.
    ``rate``: targets a second. ``device_quota``: messages a day that a device gets.
    ``duplicate_code``: what a repeated app_message_id is answered. ``strong_reminders``: notify_level 16
    is granted. ``strict_batches``: one bad message refuses its whole batch. ``clock_offset``: how far
    this server's clock is ahead. ``show``: print what phones show.
    """

    credentials: dict[str, str] = msgspec.field(default_factory=lambda: {"emulator-key": "emulator-secret"})
    latency: float = 0.0
    token_life: float = OPPO_DAY
    body_token_only: bool = False
    content_limit: int = 50
    arrive_after: float | None = None
    daily_quota: int = 0
    device_quota: int = 0
    rate: int = 0
    rate_code: int = 55
    duplicate_code: int = 0
    strong_reminders: bool = False
    strict_batches: bool = False
    clock_offset: float = 0.0
    show: bool = False

    def change(self, values: dict[str, Any]) -> None:
        """Set some of them. Raises msgspec.ValidationError."""
        now = {name: getattr(self, name) for name in self.__struct_fields__}
        checked = msgspec.convert(now | values, EmulatorOptions)
        for name in values:
            setattr(self, name, getattr(checked, name))
