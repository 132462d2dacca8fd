"""The demo's app: made once, its key kept beside the database in a file that only its owner can read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

from onepush_demo.cli import ask

APP_NAME = "demo"


class Credentials(NamedTuple):
    """An app's id and key. ``new``: made by this very start."""

    app_id: str
    key: str
    new: bool = False


def data_folder(database: str) -> Path:
    """Where the demo keeps its files: beside a SQLite file, else under ``var``."""
    _, separator, path = database.partition("sqlite:///")
    return Path(path).parent if separator else Path("var")


def key_file(database: str) -> Path:
    """Where the key is kept."""
    return data_folder(database) / "demo.json"


def find_or_create_app(database: str) -> Credentials | None:
    """The demo's app; None if it exists and nobody here knows its key. Raises DemoFailed."""
    apps = ask("app", "list", database=database)
    ids = {app["id"] for app in apps if app["enabled"]}
    kept = _read(key_file(database))
    if kept and kept.app_id in ids:
        return kept
    if any(app["name"] == APP_NAME for app in apps):
        return None
    created = ask("app", "create", APP_NAME, database=database)
    _keep(key_file(database), created)
    return Credentials(created["appId"], created["appKey"], new=True)


def _read(path: Path) -> Credentials | None:
    try:
        kept = json.loads(path.read_text("utf-8"))
        return Credentials(kept["appId"], kept["appKey"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, created: dict[str, str]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"appId": created["appId"], "appKey": created["appKey"]}, file)
