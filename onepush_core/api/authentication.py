"""Who is calling: an app (HTTP Basic, RFC 7617) or the admin (Bearer, RFC 6750)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

import falcon

from onepush_core.errors import AdminDisabled, AdminRequired, AuthenticationFailed
from onepush_core.gateway import Gateway
from onepush_core.objects import App


class AppGate:
    """Lets apps in, by ``Authorization: Basic appId:appKey``."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def app_of(self, req: falcon.Request) -> App:
        """The calling app. Raises ``AuthenticationFailed``, the same for every reason."""
        app_id, secret = _basic(req.env.get("HTTP_AUTHORIZATION", ""))
        return self._gateway.authenticate(app_id, secret)


class AdminGate:
    """Lets the admin in, by ``Authorization: Bearer token``; nobody while there is no token."""

    def __init__(self, token: str | None) -> None:
        self._digest = _digest(token.encode()) if token else None

    def require(self, req: falcon.Request) -> None:
        """Raise ``AdminDisabled`` without a token of ours, ``AdminRequired`` without that of the caller."""
        if self._digest is None:
            raise AdminDisabled
        scheme, _, token = req.env.get("HTTP_AUTHORIZATION", "").partition(" ")
        # Digests have one length, so the comparison tells nothing of the token's.
        offered = _digest(token.strip().encode("latin-1"))  # as WSGI decoded it (PEP 3333)
        if scheme.lower() != "bearer" or not hmac.compare_digest(offered, self._digest):
            raise AdminRequired


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise AuthenticationFailed
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise AuthenticationFailed from None
    app_id, _, secret = text.partition(":")
    if not app_id or "\0" in text:
        raise AuthenticationFailed
    return app_id, secret
