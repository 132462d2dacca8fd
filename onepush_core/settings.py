"""Settings: their names, types, bounds, defaults and meaning.

The Structs below are the only list of settings: flags, variables and docs/settings.md follow from them.
Where values come from is ``settings_sources``.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_type_hints

from msgspec import Meta, Struct

TEN_YEARS = 315_360_000
Seconds = Annotated[float, Meta(gt=0, le=TEN_YEARS)]
Count = Annotated[int, Meta(ge=1)]


class ServerSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the gateway listens."""

    bind: Annotated[str, Meta(description="address to listen on, HOST:PORT")] = "127.0.0.1:8080"
    workers: Annotated[Count, Meta(description="worker processes; SQLite takes one")] = 1
    admin_token: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="bearer token of the admin calls; without one they are off"),
    ] = None
    body_deadline: Annotated[Seconds, Meta(description="seconds a request body may take, then 408")] = 10.0
    max_body: Annotated[Count, Meta(description="bytes of a request body, then 413")] = 65_536
    worker_connections: Annotated[Count, Meta(description="open connections per worker")] = 20_000
    graceful_timeout: Annotated[Count, Meta(description="seconds a stopping worker may take")] = 10
    keepalive: Annotated[Count, Meta(description="seconds an idle HTTP connection stays open")] = 5

    def __repr__(self) -> str:
        return f"ServerSettings(bind={self.bind!r}, workers={self.workers}, admin_token=…)"


class StoreSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where messages are kept."""

    database: Annotated[
        str, Meta(description="database URL: sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE")
    ] = "sqlite:///var/onepush.db"
    pool: Annotated[Count, Meta(description="connections to PostgreSQL that read, per worker")] = 4
    max_waiting: Annotated[Count, Meta(description="writes that may wait for a commit, then 503")] = 20_000

    def __repr__(self) -> str:
        return f"StoreSettings(database=…, pool={self.pool}, max_waiting={self.max_waiting})"


class DeliverySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How messages travel."""

    resend_gaps: Annotated[
        tuple[Seconds, ...],
        Meta(min_length=1, description="seconds between attempts of a needConfirm message; the last repeats"),
    ] = (10.0, 30.0, 60.0, 300.0)
    queue_limit: Annotated[Count, Meta(description="pending messages per device; then the oldest drops")] = (
        1000
    )
    page_size: Annotated[
        Count, Meta(le=1000, description="devices offered to a transport at once, at most 1000")
    ] = 1000
    deadline: Annotated[Seconds, Meta(description="seconds one call of a transport may take")] = 30.0
    concurrency: Annotated[Count, Meta(description="calls at a time per transport")] = 8


class ClusterSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Several workers on one database."""

    bus: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="URL of the bus between workers, such as redis://host; none: through the database"),
    ] = None
    lease: Annotated[
        Seconds, Meta(description="seconds of silence after which the others give a worker up")
    ] = 10.0

    def __repr__(self) -> str:
        return f"ClusterSettings(bus=…, lease={self.lease})"


class RetentionSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When finished messages are pruned."""

    finished_after: Annotated[Seconds, Meta(description="seconds a finished message is kept")] = 604_800.0
    interval: Annotated[Seconds, Meta(description="seconds between two prunings")] = 30.0
    batch: Annotated[Count, Meta(description="rows pruned in one transaction")] = 1000


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is logged, and how."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="least level that is logged: debug, info, warning or error"),
    ] = "info"
    format: Annotated[
        Literal["json", "console"], Meta(description="json: an object a line; console: lines for people")
    ] = "json"


class PluginSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which plugins are loaded."""

    load: Annotated[
        tuple[str, ...] | None, Meta(description="plugins to load, by name; left out: all that are installed")
    ] = None
    required: Annotated[
        tuple[str, ...], Meta(description="plugins without which the gateway does not start")
    ] = ()


class Settings(Struct, frozen=True, kw_only=True):
    """All settings. ``tables``: the plugins' own tables as they stand, by entry-point name."""

    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    cluster: ClusterSettings = ClusterSettings()
    delivery: DeliverySettings = DeliverySettings()
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()
    plugins: PluginSettings = PluginSettings()
    tables: dict[str, dict[str, Any]] = {}

    def __repr__(self) -> str:
        return f"Settings(server={self.server!r}, store={self.store!r}, tables={sorted(self.tables)})"


TABLES: dict[str, type[Struct]] = {
    "server": ServerSettings,
    "store": StoreSettings,
    "cluster": ClusterSettings,
    "delivery": DeliverySettings,
    "retention": RetentionSettings,
    "log": LogSettings,
    "plugins": PluginSettings,
}
TYPES: dict[tuple[str, str], Any] = {
    (table, key): kind
    for table, struct in TABLES.items()
    for key, kind in get_type_hints(struct, include_extras=True).items()
}
LISTS = {("delivery", "resend_gaps"), ("plugins", "load"), ("plugins", "required")}
SHORT_NAMES = {
    ("server", "bind"): "bind",
    ("server", "workers"): "workers",
    ("server", "admin_token"): "admin_token",
    ("store", "database"): "database",
    ("cluster", "bus"): "bus",
}
OTHER_VARIABLES = (
    "ONEPUSH_CONFIG",
    "ONEPUSH_TRACE",
    "ONEPUSH_URL",
    "ONEPUSH_APP_ID",
    "ONEPUSH_APP_KEY",
)
"""Variables of ours that are no settings."""
# A secret on a command line can be read by every user of the machine.
WITHOUT_FLAG = {("server", "admin_token")}


def setting_problem(text: str) -> str:
    """What msgspec found wrong with a table, in our words: the key, if it names one, and why; no value."""
    problem, _, path = text.rpartition(" - at `$")
    problem, path = (problem, path.strip("`.")) if problem else (text, "")
    if found := re.fullmatch("Object (contains unknown|missing required) field `(.*)`", problem):
        path = f"{path}.{found[2]}".strip(".")
        problem = "there is no such setting" if found[1] == "contains unknown" else "is missing"
    if problem.startswith("Invalid enum value"):
        problem = "not one of the values allowed"
    problem = problem.replace("`", "")
    return f"{path}: " * bool(path) + problem[:1].lower() + problem[1:]


def meaning_of(table: str, key: str) -> str:
    """The one line that says what a setting is for."""
    notes = (item.description for item in TYPES[table, key].__metadata__ if isinstance(item, Meta))
    return next(note for note in notes if note)


def default_of(table: str, key: str) -> Any:
    """The value of a setting that nobody sets."""
    return getattr(TABLES[table](), key)


def flag_of(table: str, key: str) -> str | None:
    """The flag of ``onepush serve`` for a setting; None where there is none."""
    if (table, key) in WITHOUT_FLAG:
        return None
    return "--" + SHORT_NAMES.get((table, key), f"{table}_{key}").replace("_", "-")


def variables_of(table: str, key: str) -> list[str]:
    """The variables of a setting, the short one first where there is one."""
    short = SHORT_NAMES.get((table, key))
    names = ([short] if short else []) + [f"{table}_{key}"]
    return [f"ONEPUSH_{name}".upper().replace("-", "_") for name in names]
