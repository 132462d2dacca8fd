"""Placeholders in settings: ``{smsMessage}``, ``{number}`` and ``{extra.key}``. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from onepush_core import ConfigurationError
from onepush_sms.objects import Sms

PLACEHOLDER = re.compile(r"\{([A-Za-z][\w.-]*)\}")
EXTRA = "extra."


class MissingValueError(Exception):
    """The message has no value for a placeholder; its text names the placeholder."""


def fill(template: Any, sms: Sms, escape: Callable[[str], str] = str) -> Any:
    """The template with its placeholders filled; works through lists and tables. Raises MissingValueError."""
    if isinstance(template, str):
        return PLACEHOLDER.sub(lambda found: escape(_value(found[1], sms)), template)
    if isinstance(template, (list, tuple)):
        return [fill(one, sms, escape) for one in template]
    if isinstance(template, dict):
        return {key: fill(one, sms, escape) for key, one in template.items()}
    return template


def _value(name: str, sms: Sms) -> str:
    if name == "smsMessage":
        return sms.text
    if name == "number":
        return sms.number
    extra = sms.extra if isinstance(sms.extra, dict) else {}
    value = extra.get(name.removeprefix(EXTRA))
    if value is None:
        raise MissingValueError(name)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def extra_keys(template: Any) -> frozenset[str]:
    """The keys of ``extra`` that a template needs."""
    return frozenset(name.removeprefix(EXTRA) for name in _placeholders(template) if name.startswith(EXTRA))


def check_template(setting: str, template: Any) -> None:
    """Raise ConfigurationError for a placeholder that does not exist."""
    for name in _placeholders(template):
        if name not in ("smsMessage", "number") and not (name.startswith(EXTRA) and len(name) > len(EXTRA)):
            raise ConfigurationError(f"{setting}: no placeholder {{{name}}}")


def _placeholders(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield from PLACEHOLDER.findall(template)
    if isinstance(template, dict):
        template = list(template.values())
    if isinstance(template, (list, tuple)):
        for one in template:
            yield from _placeholders(one)
