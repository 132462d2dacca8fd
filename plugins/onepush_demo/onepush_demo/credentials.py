"""The demo's app: made once, its key kept beside the database in a file that only its owner can read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

APP_NAME = "demo"
Onepush = Sequence[str]
ONEPUSH: Onepush = (sys.executable, "-m", "onepush_core")


class Credentials(NamedTuple):
    """An app's id and key. ``new``: made by this very start."""

    app_id: str
    key: str
    new: bool = False


def key_file(database: str) -> Path:
    """Where the key is kept: beside a SQLite file, else under ``var``."""
    _, separator, path = database.partition("sqlite:///")
    return (Path(path).parent if separator else Path("var")) / "demo.json"


def find_or_create_app(database: str, onepush: Onepush = ONEPUSH) -> Credentials | None:
    """The demo's app; None if it exists and nobody here knows its key. Raises click.ClickException."""
    apps = _run(onepush, "app", "list", database=database)
    ids = {app["id"] for app in apps if app["enabled"]}
    kept = _read(key_file(database))
    if kept and kept.app_id in ids:
        return kept
    if any(app["name"] == APP_NAME for app in apps):
        return None
    created = _run(onepush, "app", "create", APP_NAME, database=database)
    _keep(key_file(database), created)
    return Credentials(created["appId"], created["appKey"], new=True)


def _run(onepush: Onepush, *command: str, database: str) -> Any:
    done = subprocess.run(
        [*onepush, *command, "--json", "--database", database], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise click.ClickException(done.stderr.strip().removeprefix("onepush: "))
    return json.loads(done.stdout)


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
