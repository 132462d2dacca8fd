"""The address OPPO posts its receipts to."""

from __future__ import annotations

import falcon

from onepush_core import BodyReader
from onepush_oppo.inbox import Inbox
from onepush_oppo.receipts import LONGEST_LIST, MalformedReceipts, is_genuine, parse_receipts

LARGEST_BODY = 1 << 20
WAITING = 32


class ReceiptResource:
    """POST: a JSON list of receipts. 200 only when they are on disk; 404 for any other address."""

    def __init__(self, secret: str, inbox: Inbox, deadline: float) -> None:
        self._secret = secret
        self._inbox = inbox
        self._reader = BodyReader(LARGEST_BODY, deadline)
        self._waiting = 0

    def on_post(self, req: falcon.Request, resp: falcon.Response, app_id: str, mac: str) -> None:
        """Take in receipts of an app."""
        if not is_genuine(self._secret, app_id, mac):
            raise falcon.HTTPNotFound
        if self._waiting >= WAITING:
            raise falcon.HTTPServiceUnavailable(description="too many receipts at a time", retry_after=1)
        self._waiting += 1
        try:
            self._take(req, app_id)
        finally:
            self._waiting -= 1
        resp.status = 200

    def _take(self, req: falcon.Request, app_id: str) -> None:
        try:
            receipts = parse_receipts(self._reader.read(req))
        except MalformedReceipts as error:
            raise falcon.HTTPBadRequest(description=str(error)) from None
        if len(receipts) > LONGEST_LIST:
            raise falcon.HTTPContentTooLarge(description=f"more than {LONGEST_LIST} receipts")
        self._inbox.take(app_id, receipts)
