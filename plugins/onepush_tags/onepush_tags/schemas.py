"""Requests and answers of the plugin's routes."""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, rename="camel", kw_only=True):
    """Camel case in JSON."""


class TagList(Record):
    """The body of PUT /v1/devices/{id}/tags."""

    tags: list[str]


class DeviceTags(Record):
    """A device and the tags it carries now."""

    device_id: str
    tags: list[str]


class Members(Record):
    """The body of POST /v1/tags/{tag}/devices: one of the two lists, of 1 to 1,000 names."""

    aliases: list[str] | None = None
    device_ids: list[str] | None = None


class Added(Record):
    """``matched``: registered devices found. ``added``: newly tagged. ``full``: carry 100 other tags."""

    tag: str
    matched: int
    added: int
    full: int


class TagCount(Record):
    """A tag and how many registered devices carry it."""

    tag: str
    devices: int


class TagPage(Record):
    """Tags in the order of their code points; ``next``: the cursor of the next page, null on the last."""

    tags: list[TagCount]
    next: str | None


class Reach(Record):
    """How many devices a send would reach, and how; either split sums up to ``total``."""

    total: int
    platforms: dict[str, int]
    transports: dict[str, int]
