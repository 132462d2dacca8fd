"""Identifiers that the outside sees."""

from __future__ import annotations

import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


PAIRS = [high + low for high in ALPHABET for low in ALPHABET]
STOCK = 4000


class MessageIds:
    """Makes ids of messages: 26 characters that sort by time.

    48 bits of time in milliseconds and 82 random bits. Randomness is fetched in stock: a system
    call for each id costs more than the rest of it.
    """

    def __init__(self) -> None:
        self._stock = b""

    def new(self, now: int) -> str:
        """An id for a message accepted at this time."""
        if len(self._stock) < 11:
            self._stock = secrets.token_bytes(STOCK)
        taken, self._stock = self._stock[:11], self._stock[11:]
        number = (now << 82) | (int.from_bytes(taken) >> 6)
        return "".join([PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])


def new_device_id() -> str:
    """160 random bits: it is the only secret in the address a device connects to."""
    return secrets.token_hex(20)


def new_app_id() -> str:
    """64 random bits: unique, not secret."""
    return secrets.token_hex(8)
