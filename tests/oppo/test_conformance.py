"""What every transport has to keep, kept by OPPO's.

OPPO's rules are the emulator's tests' business; here a vendor stands in that speaks the bare protocol.
"""

from __future__ import annotations

import json

import pytest

from onepush_core.testing import Reply, Trouble, VendorTransportConformance
from onepush_oppo import create

pytestmark = pytest.mark.once

KEY, SECRET, TOKEN = "the-app-key-of-conformance", "the-master-secret-of-conformance", "a-token-of-oppo"


class TestOppo(VendorTransportConformance):
    """OPPO phones, known by registration id."""

    name = "oppo"
    limit = 1000
    secrets = (SECRET, TOKEN)
    not_repeated = (Trouble.UNAUTHORIZED, Trouble.REDIRECT)

    def make_plugin(self):
        return create(
            {
                "app_key": KEY,
                "master_secret": SECRET,
                "base_url": self.vendor.url,
                "timeout": 0.3,
                "retry_gap": 5.0,
            }
        )

    def my_device(self, number):
        return {"vendor": "OPPO", "nativeToken": f"OPPO_CN_{number:032x}"}

    def addresses_in(self, request):
        if "cast" not in request.path:
            return []
        form = request.form
        told = json.loads(form.get("messages") or f"[{form['message']}]")
        return [one["target_value"] for one in told]

    def answer(self, request, dead):
        if "cast" not in request.path:
            return Reply(
                json={"code": 0, "message": "Success", "data": {"auth_token": TOKEN, "create_time": 0}}
            )
        targets = self.addresses_in(request)
        if request.path.endswith("unicast"):
            code = 10000 if targets[0] in dead else 0
            return Reply(json={"code": code, "message": "", "data": {"messageId": "1"}})
        return Reply(json={"code": 0, "message": "", "data": [self.item(one, dead) for one in targets]})

    def item(self, target, dead):
        told = {"registrationId": target, "messageId": "1"}
        return (
            {**told, "errorCode": 10000, "errorMessage": "Invalid RegistrationId"} if target in dead else told
        )
