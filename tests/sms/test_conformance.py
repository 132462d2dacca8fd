"""What every transport has to keep, kept by SMS through the provider ``http``."""

from __future__ import annotations

import pytest

from onepush_core.testing import Reply, Trouble, VendorTransportConformance
from onepush_sms.http_call import Caller
from onepush_sms.plugin import SmsPlugin
from onepush_sms.providers.http import HttpProvider
from onepush_sms.settings import read_settings

pytestmark = pytest.mark.once

KEY = "the-key-of-an-sms-gateway"
SURELY_NOT_SENT = (Trouble.REFUSED, Trouble.TOO_MANY)


class TestSms(VendorTransportConformance):
    """People with a mobile each, and an SMS gateway that takes JSON."""

    name = "sms"
    texts = ("smsMessage",)
    message = {"smsMessage": "your code is 1234", "smsDelay": 0}  # noqa: RUF012
    waits = 6.0
    secrets = (KEY,)
    # An SMS goes at most once: what may have been sent is not sent again (docs/sms.md).
    not_repeated = tuple(one for one in Trouble if one not in SURELY_NOT_SENT)
    # A number that is refused says nothing of the device's own address.
    test_dead_address_is_gone = None

    def make_plugin(self):
        table = {
            "provider": "http",
            "http": {
                "url": self.vendor.url,
                "headers": {"X-Key": KEY},
                "json": {"to": "{number}", "text": "{smsMessage}"},
                "success": {"json": {"ok": True}},
            },
        }
        return SmsPlugin(
            read_settings(table), make=lambda where, own, reports: HttpProvider(own.http, Caller((0.3, 0.3)))
        )

    def my_device(self, number):
        return {"nativeToken": f"phone-with-a-number-{number}", "mobile": f"137{number:08d}"}

    def address_of(self, device):
        return f"+86{device.mobile}"

    def addresses_in(self, request):
        return [request.json["to"]]

    def answer(self, request, dead):
        return Reply(json={"ok": True})
