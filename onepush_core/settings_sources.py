"""Where settings come from, in rising priority: defaults, the TOML file, variables, flags.

Each value is checked by itself, so that an error can name its source; the value is never shown.
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from onepush_core.errors import ConfigurationError
from onepush_core.settings import (
    LISTS,
    OTHER_VARIABLES,
    SHORT_NAMES,
    TABLES,
    TYPES,
    Settings,
    flag_of,
    setting_problem,
    variables_of,
)


class Value(msgspec.Struct, frozen=True):
    """One value of one setting, and what to call it in an error. ``text``: it came as a string."""

    table: str
    key: str
    value: Any
    origin: str
    text: bool = False


def load_settings(
    config: str | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[tuple[str, str], str | None] | None = None,
    plugins: Collection[str] = (),
) -> Settings:
    """Settings from all sources, checked.

    ``config``: path of the TOML file; None: the one that ``ONEPUSH_CONFIG`` names, if any.
    ``flags``: values by (table, key); None is "not given". ``plugins``: names whose tables are allowed.
    Raises ConfigurationError, one line that names the source and the key.
    """
    environ = environ or {}
    path = config or environ.get("ONEPUSH_CONFIG")
    chosen: dict[str, dict[str, Any]] = {name: {} for name in [*TABLES, *plugins]}
    if path:
        _choose(chosen, _from_file(path, plugins))
    _choose(chosen, _from_environment(environ, plugins))
    _choose(chosen, _from_flags(flags or {}))
    core: dict[str, Any] = {table: struct(**chosen[table]) for table, struct in TABLES.items()}
    listen_address(core["server"].bind)
    return Settings(**core, tables={name: chosen[name] for name in plugins})


def stray_variables(environ: Mapping[str, str], plugins: Collection[str]) -> list[str]:
    """Variables that are ours by name and set nothing: misspelt, perhaps, or meant for a missing plugin.

    They are no errors: Kubernetes, for one, gives each container variables like ``ONEPUSH_PORT``
    when a service is called onepush.
    """
    known = {*OTHER_VARIABLES, *(name for pair in TYPES for name in variables_of(*pair))}
    ours = sorted(name for name in environ if name.startswith("ONEPUSH_") and name not in known)
    return [name for name in ours if _table_of(name, [*TABLES, *plugins]) is None]


def listen_address(bind: str) -> tuple[str, int]:
    """Host and port of ``server.bind``; an IPv6 host stands in brackets. Raises ConfigurationError."""
    host, _, port = bind.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ConfigurationError("server.bind: expected HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _choose(chosen: dict[str, dict[str, Any]], values: Iterator[Value]) -> None:
    for value in values:
        if value.table not in chosen:
            raise ConfigurationError(f"{value.origin}: no plugin of this name is installed")
        chosen[value.table][value.key] = _checked(value)


def _from_file(path: str, plugins: Collection[str]) -> Iterator[Value]:
    for table, content in _read_toml(path).items():
        if table not in TABLES and table not in plugins:
            raise ConfigurationError(f"{path}: {table}: neither a table of the core nor an installed plugin")
        if not isinstance(content, dict):
            raise ConfigurationError(f"{path}: {table}: expected a table")
        yield from (Value(table, key, value, f"{path}: {table}.{key}") for key, value in content.items())


def _read_toml(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: is not valid TOML: {error}") from error


def _from_environment(environ: Mapping[str, str], plugins: Collection[str]) -> Iterator[Value]:
    short = {variables_of(*pair)[0] for pair in SHORT_NAMES}
    known = {name: pair for pair in TYPES for name in variables_of(*pair)}
    for name in sorted(environ, key=lambda name: (name in short, name)):
        if name in known:
            yield Value(*known[name], environ[name], name, text=True)
        elif table := _table_of(name, [*TABLES, *plugins]):
            yield _from_variable(name, environ[name], table)


def _from_variable(name: str, text: str, table: str) -> Value:
    key = name.removeprefix(_prefix_of(table)).lower()
    return Value(table, key, _toml_value(text), name)


def _prefix_of(table: str) -> str:
    return variables_of(table, "")[0]


def _table_of(name: str, tables: Collection[str]) -> str | None:
    """The table that a variable's name belongs to: the longest that fits."""
    fitting = [table for table in tables if name.startswith(_prefix_of(table))]
    return max(fitting, key=len, default=None)


def _toml_value(text: str) -> Any:
    """A plugin's variable or flag holds a TOML value; what is none is a plain string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _from_flags(flags: Mapping[tuple[str, str], str | None]) -> Iterator[Value]:
    for (table, key), value in flags.items():
        if value is not None and table in TABLES:
            yield Value(table, key, value, flag_of(table, key) or f"{table}.{key}", text=True)
        elif value is not None:
            yield Value(table, key, _toml_value(value), f"--set {table}.{key}")


def _checked(given: Value) -> Any:
    if given.table not in TABLES:
        return given.value
    pair = (given.table, given.key)
    if pair not in TYPES:
        raise ConfigurationError(f"{given.origin}: there is no such setting")
    try:
        return _converted(given, pair)
    except msgspec.ValidationError as error:
        problem = setting_problem(str(error).split(" - at ")[0])  # the origin has the key already
        raise ConfigurationError(f"{given.origin}: {problem}") from error


def _converted(given: Value, pair: tuple[str, str]) -> Any:
    if not given.text:
        return msgspec.convert(given.value, TYPES[pair])
    if pair in LISTS:
        parts = [part.strip() for part in given.value.split(",") if part.strip()]
        return msgspec.convert(parts, TYPES[pair], strict=False)
    # Strict first: for a setting that takes a string, the text "null" is that string.
    with contextlib.suppress(msgspec.ValidationError):
        return msgspec.convert(given.value, TYPES[pair])
    return msgspec.convert(given.value, TYPES[pair], strict=False)
