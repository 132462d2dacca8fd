"""The calls under /v1: change a device's tags, tag devices in bulk, list tags, count an audience."""

from __future__ import annotations

import falcon
import msgspec

from onepush_core import App, AppGate, BodyReader, Gateway, UnknownDevice, page_of
from onepush_tags.parameters import read_members, read_question, read_tag, read_tags
from onepush_tags.reach import count_reach
from onepush_tags.schemas import Added, DeviceTags, Members, TagCount, TagList, TagPage
from onepush_tags.store import count_tags, replace_tags, tag_members
from onepush_tags.turns import Turns

MAX_BULK_BODY = 1024 * 1024
"""Bytes: room for 1,000 aliases of 256 bytes, also when all their letters are written as ``\\uXXXX``."""
encode = msgspec.json.Encoder().encode


def make_routes(gateway: Gateway) -> list[tuple[str, object]]:
    """All (path, resource) of the plugin."""
    server = gateway.settings.server
    gate = AppGate(gateway)
    reader = BodyReader(server.max_body, server.body_deadline)
    bulk_reader = BodyReader(max(server.max_body, MAX_BULK_BODY), server.body_deadline)
    turns = Turns()
    return [
        ("/v1/devices/{device_id}/tags", DeviceTagList(gateway, gate, reader)),
        ("/v1/tags", TagCollection(gateway, gate, turns)),
        # A tag may hold slashes: the last segment, "devices", is taken off by the resource.
        ("/v1/tags/{rest:path}", TagMembers(gateway, gate, bulk_reader)),
        ("/v1/audience/count", AudienceCount(gateway, gate, turns)),
    ]


class DeviceTagList:
    """PUT and DELETE /v1/devices/{device_id}/tags."""

    def __init__(self, gateway: Gateway, gate: AppGate, reader: BodyReader) -> None:
        self._gateway = gateway
        self._gate = gate
        self._reader = reader

    def on_put(self, req: falcon.Request, resp: falcon.Response, device_id: str) -> None:
        """Give the device exactly these tags."""
        app = self._gate.app_of(req)
        self._replace(app, device_id, read_tags(self._reader.read_json(req, TagList)), resp)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, device_id: str) -> None:
        """Take all tags from the device."""
        self._replace(self._gate.app_of(req), device_id, [], resp)

    def _replace(self, app: App, device_id: str, tags: list[str], resp: falcon.Response) -> None:
        if not self._gateway.write(lambda transaction: replace_tags(transaction, app.key, device_id, tags)):
            raise UnknownDevice
        resp.data = encode(DeviceTags(device_id=device_id, tags=sorted(tags)))


class TagCollection:
    """GET /v1/tags."""

    def __init__(self, gateway: Gateway, gate: AppGate, turns: Turns) -> None:
        self._gateway = gateway
        self._gate = gate
        self._turns = turns

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer a page of the app's tags with how many devices carry each."""
        app = self._gate.app_of(req)
        cursor, limit = page_of(req)
        with self._turns.take():
            found = self._gateway.read(
                lambda transaction: count_tags(transaction, app.key, cursor or "", limit)
            )
        tags = [TagCount(tag=tag, devices=devices) for tag, devices in found]
        resp.data = encode(TagPage(tags=tags, next=tags[-1].tag if len(tags) == limit else None))

    on_head = on_get


class TagMembers:
    """POST /v1/tags/{tag}/devices."""

    def __init__(self, gateway: Gateway, gate: AppGate, reader: BodyReader) -> None:
        self._gateway = gateway
        self._gate = gate
        self._reader = reader

    def on_post(self, req: falcon.Request, resp: falcon.Response, rest: str) -> None:
        """Add the tag to the devices named, or to all devices of the aliases named."""
        name, slash, last = rest.rpartition("/")
        if not slash or last != "devices":
            raise falcon.HTTPNotFound
        app = self._gate.app_of(req)
        tag = read_tag(name)
        column, names = read_members(self._reader.read_json(req, Members))
        done = tag_members(self._gateway, app.key, tag, column, names)
        resp.data = encode(Added(tag=tag, matched=done.matched, added=done.added, full=done.full))


class AudienceCount:
    """GET /v1/audience/count."""

    def __init__(self, gateway: Gateway, gate: AppGate, turns: Turns) -> None:
        self._gateway = gateway
        self._gate = gate
        self._turns = turns

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer how many devices a send with these parameters would reach."""
        app = self._gate.app_of(req)
        question = read_question(req)
        with self._turns.take():
            reach = count_reach(self._gateway, app, *question)
        resp.data = encode(reach)

    on_head = on_get
