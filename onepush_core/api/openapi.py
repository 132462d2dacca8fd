"""/openapi.json: OpenAPI 3.1 made from the types that validate the requests, and one table of calls."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

import onepush_core
from onepush_core.api import schemas
from onepush_core.api.parameters import DEFAULT_LIMIT, MAX_LIMIT

_REF = "#/components/schemas/{name}"

_CURSOR = {"name": "cursor", "in": "query", "schema": {"type": "string"}}
_LIMIT = {
    "name": "limit",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
}
_ALIAS = {"name": "alias", "in": "query", "required": True, "schema": {"type": "string"}}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


class Call(msgspec.Struct, frozen=True):
    """One call of the API. ``parameters`` leaves out those of the path."""

    method: str
    path: str
    summary: str
    answer: type | None = None
    request: type | None = None
    security: str | None = None
    parameters: tuple[dict[str, Any], ...] = ()
    errors: tuple[int, ...] = ()


_BODY = (400, 408, 413, 415)

CALLS = (
    Call("post", "/msgpush/register", "Register a device, or update it.",
         schemas.RegisterAnswer, schemas.RegisterRequest, errors=(*_BODY, 404, 503)),
    Call("post", "/msgpush/unregister/{device_id}", "Unregister a device.", errors=(404, 503)),
    Call("post", "/msgpush/send", "Send a message. Answers once it is stored.",
         schemas.SendAnswer, schemas.SendRequest,
         parameters=(_IDEMPOTENCY_KEY,), errors=(*_BODY, 401, 409, 422, 503)),
    Call("get", "/v1/messages/{message_id}", "What became of a message.",
         schemas.MessageStatus, security="app", errors=(401, 404, 503)),
    Call("delete", "/v1/messages/{message_id}", "Cancel what is still pending.",
         schemas.MessageStatus, security="app", errors=(401, 404, 503)),
    Call("get", "/v1/messages/{message_id}/deliveries", "What became of it, device by device.",
         schemas.Deliveries, security="app", parameters=(_CURSOR, _LIMIT), errors=(400, 401, 404, 503)),
    Call("get", "/v1/devices", "The devices of an alias.",
         schemas.Devices, security="app", parameters=(_ALIAS, _CURSOR, _LIMIT), errors=(400, 401, 503)),
    Call("post", "/apps", "Create an app. Its key is shown this once.",
         schemas.CreatedApp, schemas.CreateAppRequest, security="admin", errors=(*_BODY, 401, 403, 503)),
    Call("get", "/apps/{app_id}", "Show an app.",
         schemas.AppEntry, security="admin", errors=(401, 403, 404, 503)),
    Call("get", "/health/live", "The process answers.", schemas.Alive),
    Call("get", "/health/ready", "A commit and a dispatch go through.", schemas.Readiness),
    Call("get", "/metrics", "Metrics for Prometheus.", str),
    Call("get", "/openapi.json", "This document.", dict[str, Any]),
)  # fmt: skip


@cache
def make_document() -> dict[str, Any]:
    """The whole document as plain data; made once, when somebody asks."""
    kinds = [kind for call in CALLS for kind in (call.answer, call.request) if _is_struct(kind)]
    _, components = msgspec.json.schema_components([*kinds, schemas.ErrorBody], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for call in CALLS:
        paths.setdefault(call.path, {})[call.method] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {"title": "onepush", "version": onepush_core.__version__},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "app": {"type": "http", "scheme": "basic", "description": "appId:appKey"},
                "admin": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(call: Call) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": call.summary, "responses": _responses(call)}
    if parameters := [*_path_parameters(call.path), *call.parameters]:
        operation["parameters"] = parameters
    if call.request is not None:
        operation["requestBody"] = {"required": True, "content": _request_content(call)}
    if call.security is not None:
        operation["security"] = [{call.security: []}]
    return operation


def _request_content(call: Call) -> dict[str, Any]:
    content = _json(call.request)
    if call.request is schemas.CreateAppRequest:
        content["text/plain"] = {"schema": {"type": "string"}}
    return content


def _responses(call: Call) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "Done."}}
    if call.answer is str:
        responses["200"]["content"] = {"text/plain": {"schema": {"type": "string"}}}
    elif call.answer is not None:
        responses["200"]["content"] = _json(call.answer)
    if call.answer is schemas.Readiness:
        responses["503"] = {"description": "Not ready.", "content": _json(call.answer)}
    for status in sorted(call.errors):
        responses[str(status)] = {"description": "See the code.", "content": _json(schemas.ErrorBody)}
    return responses


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _json(kind: type | None) -> dict[str, Any]:
    schema = {"$ref": _REF.format(name=kind.__name__)} if _is_struct(kind) and kind else {"type": "object"}
    return {"application/json": {"schema": schema}}


def _is_struct(kind: type | None) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
