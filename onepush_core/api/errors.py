"""How errors look from outside: ``{"code", "message"}``, and never more than that."""

from __future__ import annotations

import http
import secrets
from typing import Any

import falcon
import msgspec
import structlog

from onepush_core.api.connection import CLOSE
from onepush_core.api.schemas import ErrorBody
from onepush_core.errors import (
    AdminRequired,
    AuthenticationFailed,
    BodyTooLarge,
    BodyTooSlow,
    OnepushError,
)
from onepush_core.logs import frames_of

log = structlog.get_logger("onepush.api")


def install(app: falcon.App[Any, Any]) -> None:
    """Make every error of the app look like ours."""
    app.resp_options.xml_error_serialization = False
    app.set_error_serializer(_serialize)
    app.add_error_handler(OnepushError, _on_known)
    app.add_error_handler(Exception, _on_unknown)


def _answer(resp: falcon.Response, code: int, message: str) -> None:
    resp.status = code // 100
    resp.content_type = "application/json"
    resp.data = msgspec.json.encode(ErrorBody(code=code, message=message))


def _serialize(_req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
    """Falcon's own errors and those of plugins' resources: the status with 00 appended."""
    status = error.status_code
    _answer(resp, status * 100, error.description or http.HTTPStatus(status).phrase.lower())


def _on_known(req: falcon.Request, resp: falcon.Response, error: OnepushError, _params: Any) -> None:
    _answer(resp, error.code, str(error))
    if error.status == 401:
        resp.set_header("WWW-Authenticate", _challenge(req, error))
    elif error.status == 503:
        resp.set_header("Retry-After", "1")
    if isinstance(error, (BodyTooLarge, BodyTooSlow)):
        # What is left of the body would be taken for the next request.
        req.env[CLOSE] = True


def _challenge(req: falcon.Request, error: OnepushError) -> str:
    """RFC 9110 wants one with every 401; ``AppKey`` (in the body) opens no login window in a browser."""
    if isinstance(error, AdminRequired):
        return 'Bearer realm="onepush"'
    scheme = "Basic" if isinstance(error, AuthenticationFailed) and req.path.startswith("/v1/") else "AppKey"
    return f'{scheme} realm="onepush"'


def _on_unknown(req: falcon.Request, resp: falcon.Response, error: Exception, _params: Any) -> None:
    reference = secrets.token_hex(6)
    # Neither the path nor the exception's text: both may hold ids, keys or contents of messages.
    log.error(
        "unhandled_error",
        reference=reference,
        method=req.method,
        route=req.uri_template,
        error=type(error).__qualname__,
        frames=frames_of(error),
    )
    _answer(resp, OnepushError.code, f"{OnepushError.summary}, reference {reference}")
