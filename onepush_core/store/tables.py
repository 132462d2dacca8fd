"""The core's tables for peewee's query builder, bound to one database, and to no module global."""

from __future__ import annotations

import peewee

_COLUMNS = {
    "app": "key id name enabled created_at",
    "device": "key id app token alias platform vendor mobile tenant gone active since registered_at",
    "device_tag": "app tag device",
    "message": "key id app accepted_at expires_at finished_at state cursor total confirmed"
    " handed_off expired cancelled dropped body",
    "delivery": "message device state attempts asked again due",
}


class Tables:
    """``.app .device .device_tag .message .delivery``: peewee Tables to build queries with."""

    app: peewee.Table
    device: peewee.Table
    device_tag: peewee.Table
    message: peewee.Table
    delivery: peewee.Table

    def __init__(self, database: peewee.Database) -> None:
        for name, columns in _COLUMNS.items():
            setattr(self, name, peewee.Table(name, tuple(columns.split())).bind(database))
