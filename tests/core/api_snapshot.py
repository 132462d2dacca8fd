"""What plugins rely on, as data: recorded for each version of the API, and compared with what is there.

``python -m tests.core.api_snapshot`` writes the record of the present version; only one that was not
released yet may be written again.
"""

from __future__ import annotations

import enum
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onepush_core
from onepush_core import API_VERSION, Gateway, Transaction
from onepush_core.plugins import FIRST_RESULT, HOOKS, Plugins

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent / "api"
GATEWAY = re.compile(r"^\| `gateway\.(\w+)\(", re.MULTILINE)
Record = dict[str, Any]


def describe() -> Record:
    """The hooks with their arguments, the public door, and the methods of the gateway that are documented."""
    hooks = Plugins().manager.hook
    page = (ROOT / "docs" / "hooks.md").read_text("utf-8")
    things = {name: getattr(onepush_core, name) for name in sorted(onepush_core.__all__)}
    return {
        "hooks": {name: list(getattr(hooks, name).spec.argnames) for name in sorted(HOOKS)},
        "first_result": {name: [] for name in sorted(FIRST_RESULT)},
        "door": {part: what for name, thing in things.items() for part, what in _describe(name, thing)},
        "gateway": {name: _parameters(getattr(Gateway, name)) for name in sorted(GATEWAY.findall(page))},
    }


def _describe(name: str, thing: Any) -> Iterator[tuple[str, list[str]]]:
    """A name with its members, fields or arguments, and its methods; ``=`` marks what may be left out."""
    if not isinstance(thing, type) or thing is Gateway or issubclass(thing, Exception):
        yield name, _parameters(thing) if inspect.isfunction(thing) else []
    elif issubclass(thing, enum.Enum):
        yield name, [f"{member}=" for member in thing.__members__]
    else:
        yield name, [] if thing is Transaction else _parameters(thing)
        for method, function in inspect.getmembers(thing, inspect.isroutine):
            if not method.startswith("_"):
                yield f"{name}.{method}", _parameters(function)


def _parameters(function: Any) -> list[str]:
    found = [one for one in inspect.signature(function).parameters.values() if one.name != "self"]
    return [one.name + ("" if one.default is one.empty else "=") for one in found]


def breaks(old: Record, new: Record) -> list[str]:
    """What a plugin that was written for ``old`` would miss in ``new``, or would have to give."""
    found = []
    for kind, names in old.items():
        for name, parts in names.items():
            if name not in new[kind]:
                found.append(f"{kind}: {name} is gone")
            else:
                found += [f"{kind}: {name}: {what}" for what in _misses(kind, parts, new[kind][name])]
    return found


def _misses(kind: str, old: list[str], new: list[str]) -> list[str]:
    before, after = {part.rstrip("=") for part in old}, {part.rstrip("=") for part in new}
    gone = [f"{part} is gone" for part in sorted(before - after)]
    # Plugins are called with a hook's arguments; everything else they call or make themselves.
    added = [part for part in new if part not in old and not part.endswith("=")] if kind != "hooks" else []
    return gone + [f"{part} is demanded" for part in added]


def record_of(version: tuple[int, int]) -> Path:
    """The file of a version."""
    return FOLDER / f"{version[0]}.{version[1]}.json"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    record_of(API_VERSION).write_text(json.dumps(describe(), indent=1) + "\n", "utf-8")
