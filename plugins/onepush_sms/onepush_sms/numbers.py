"""Phone numbers: E.164, how they are shown, and by what they are remembered. Pure."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneNumberType

CHINA = 86
# An SMS to these costs more than one to a person, or cannot arrive.
NOT_FOR_PEOPLE = {
    PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST,
    PhoneNumberType.TOLL_FREE,
    PhoneNumberType.UAN,
    PhoneNumberType.VOICEMAIL,
    PhoneNumberType.PAGER,
}


class Number(NamedTuple):
    """A valid number. ``national``: its digits without the country code."""

    country: int
    national: str

    @property
    def e164(self) -> str:
        """``+8613711112222``."""
        return f"+{self.country}{self.national}"

    @property
    def mask(self) -> str:
        """What may be shown: ``+86 137****2222`` for China, country and last four digits elsewhere."""
        start = self.national[:3] if self.country == CHINA else ""
        return f"+{self.country} {start}****{self.national[-4:]}"

    def __repr__(self) -> str:
        return f"Number({self.mask!r})"


def parse_number(text: str | None, region: str) -> Number | None:
    """The number a device registered with; None if it is not one that an SMS could go to.

    ``region``: two letters; numbers without a country code are of there.
    """
    if not text:
        return None
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if parsed.extension or not phonenumbers.is_valid_number(parsed):
        return None
    if phonenumbers.number_type(parsed) in NOT_FOR_PEOPLE:
        return None
    return Number(parsed.country_code or 0, phonenumbers.national_significant_number(parsed))


def spellings(number: Number, region: str) -> list[str]:
    """The ways, without spaces, dashes, dots and brackets, in which devices write this number."""
    digits = f"{number.country}{number.national}"
    doubled = f"+{number.country}0{number.national}"
    found = [f"+{digits}", digits, f"00{digits}", doubled, number.national, f"0{number.national}"]
    return [one for one in found if parse_number(one, region) == number]


def country_code(region: str) -> int:
    """The calling code of a region; 0 when there is no such region."""
    code: int = phonenumbers.country_code_for_region(region)
    return code


def digest(app: str, kind: str, value: str) -> str:
    """By what an alias or a number is remembered: keeps it out of the table, but is no encryption."""
    return hashlib.sha256(f"{app}\0{kind}\0{value}".encode()).hexdigest()[:32]
