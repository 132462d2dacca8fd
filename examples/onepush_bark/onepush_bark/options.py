"""``options.bark`` of a send: what Bark can do beyond a title and a text. Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(min_length=1, max_length=512)]


class UnfitOption(Exception):
    """An option that Bark could not express. ``field``: which; ``problem``: why."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As Bark's documentation has them, but for ``call`` and ``archive``, which are truth values here."""

    level: Literal["critical", "active", "timeSensitive", "passive"] | None = None
    subtitle: Text | None = None
    sound: Text | None = None
    group: Text | None = None
    icon: Text | None = None
    url: Text | None = None
    copy: Text | None = None
    call: bool | None = None
    archive: bool | None = None

    def to_fields(self) -> dict[str, str]:
        """As Bark wants them."""
        told = {name: value for name, value in msgspec.structs.asdict(self).items() if isinstance(value, str)}
        if self.call:
            told["call"] = "1"
        if self.archive is not None:
            told["isArchive"] = "1" if self.archive else "0"
        return told


NO_OPTIONS = Options()


def read_options(table: Any) -> Options:
    """Check what a send or the settings say. Raises UnfitOption."""
    if not isinstance(table, dict):
        raise UnfitOption("bark", "must be an object")
    for name in table:
        if name not in Options.__struct_fields__:
            raise UnfitOption(str(name)[:64], "there is no such option")
    for name, value in table.items():
        try:
            msgspec.convert({name: value}, Options)
        except msgspec.ValidationError as error:
            raise UnfitOption(name, str(error).partition(" - at")[0].replace("`", "")) from None
    return msgspec.convert(table, Options)


def merge(defaults: Options, chosen: Options) -> Options:
    """The defaults, and over them what a send has chosen."""
    return Options(
        **{
            name: getattr(defaults, name) if getattr(chosen, name) is None else getattr(chosen, name)
            for name in Options.__struct_fields__
        }
    )
