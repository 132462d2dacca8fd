"""Bodies and queries of the plugin's calls, checked. Every function may raise InvalidField."""

from __future__ import annotations

from collections.abc import Sequence

import falcon

from onepush_core import InvalidField, Selector, optional_parameter, to_selector
from onepush_tags.schemas import Members, TagList
from onepush_tags.tag import MAX_PER_DEVICE, normalised, problem_with

MAX_NAMES = 1_000
MAX_NAME_BYTES = 256
MAX_TENANT_BYTES = 64
PLATFORMS = ("ALL", "ANDROID", "IOS", "PC", "WEB")
Question = tuple[Selector, str, str | None]


def read_tag(text: str, field: str = "tag") -> str:
    """A tag in the form in which it is stored."""
    tag = normalised(text)
    problem = problem_with(tag)
    if problem is not None:
        raise InvalidField(field, problem)
    return tag


def read_tags(body: TagList) -> list[str]:
    """The tags of a device, each once."""
    tags = dict.fromkeys(read_tag(text, f"tags[{place}]") for place, text in enumerate(body.tags))
    if len(tags) > MAX_PER_DEVICE:
        raise InvalidField("tags", f"more than {MAX_PER_DEVICE}")
    return list(tags)


def read_members(body: Members) -> tuple[str, list[str]]:
    """The column of the device table that is meant, and the values sought in it."""
    if (body.aliases is None) == (body.device_ids is None):
        raise InvalidField("aliases", "give either aliases or deviceIds")
    if body.aliases is not None:
        return "alias", _names("aliases", body.aliases)
    return "id", _names("deviceIds", body.device_ids or [])


def _names(field: str, names: Sequence[str]) -> list[str]:
    if not names:
        raise InvalidField(field, "must not be empty")
    if len(names) > MAX_NAMES:
        raise InvalidField(field, f"more than {MAX_NAMES}")
    for place, name in enumerate(names):
        if not name.strip() or len(name.encode()) > MAX_NAME_BYTES:
            raise InvalidField(f"{field}[{place}]", f"must have 1 to {MAX_NAME_BYTES} bytes and not be blank")
    return list(dict.fromkeys(names))


def read_question(req: falcon.Request) -> Question:
    """Whom a send would be for: selector, platform and tenant, named as in /msgpush/send.

    ``audiences`` may be repeated: one for each entry of the list.
    """
    platform = req.get_param("platform") or "ALL"
    if platform not in PLATFORMS:
        raise InvalidField("platform", f"must be one of {', '.join(PLATFORMS)}")
    audiences = [_without_nul("audiences", value) for value in req.get_param_as_list("audiences") or []]
    kind = req.get_param("audienceType") or None
    tenant = optional_parameter(req, "tenantCode", MAX_TENANT_BYTES)
    return to_selector(kind, audiences), platform, tenant


def _without_nul(field: str, text: str) -> str:
    if "\0" in text:
        raise InvalidField(field, "must not hold NUL characters")
    return text
