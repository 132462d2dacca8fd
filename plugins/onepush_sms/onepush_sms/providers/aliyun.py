"""``aliyun``: Aliyun Dysms through its SDK (extra ``onepush-sms[aliyun]``).

Source: Alibaba Cloud, Short Message Service, API 2017-05-25, "SendSms" and "API error codes".
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import msgspec

from onepush_sms.http_call import CONNECT_TIMEOUT, READ_TIMEOUT
from onepush_sms.objects import Answer, Sms, Verdict, safe_code
from onepush_sms.segments import count_characters
from onepush_sms.settings import AliyunSettings
from onepush_sms.templates import MissingValueError, check_template, extra_keys, fill

# A code that does not stand here: give up.
VERDICTS = {
    "OK": Verdict.ACCEPTED,
    "InvalidAccessKeyId.Inactive": Verdict.ACCOUNT,
    "InvalidAccessKeyId.NotFound": Verdict.ACCOUNT,
    "InvalidTimeStamp.Expired": Verdict.ACCOUNT,
    "SignatureDoesNotMatch": Verdict.ACCOUNT,
    "Forbidden.RAM": Verdict.ACCOUNT,
    "NoPermission": Verdict.ACCOUNT,
    "Throttling": Verdict.LATER,
    "Throttling.Api": Verdict.LATER,
    "Throttling.User": Verdict.LATER,
    "ServiceUnavailable": Verdict.AMBIGUOUS,
    "InternalError": Verdict.AMBIGUOUS,
    "isp.GATEWAY_ERROR": Verdict.AMBIGUOUS,
    "isp.RAM_PERMISSION_DENY": Verdict.ACCOUNT,
    "isp.SYSTEM_ERROR": Verdict.AMBIGUOUS,
    "isp.UNKNOWN": Verdict.AMBIGUOUS,
    "isv.ACCOUNT_ABNORMAL": Verdict.ACCOUNT,
    "isv.ACCOUNT_NOT_EXISTS": Verdict.ACCOUNT,
    "isv.AMOUNT_NOT_ENOUGH": Verdict.ACCOUNT,
    "isv.BLACK_KEY_CONTROL_LIMIT": Verdict.REFUSED,
    "isv.BUSINESS_LIMIT_CONTROL": Verdict.NUMBER_LIMIT,
    "isv.DAY_LIMIT_CONTROL": Verdict.ACCOUNT,
    "isv.INVALID_JSON_PARAM": Verdict.REFUSED,
    "isv.INVALID_PARAMETERS": Verdict.REFUSED,
    "isv.MOBILE_NUMBER_ILLEGAL": Verdict.BAD_NUMBER,
    "isv.MONTH_LIMIT_CONTROL": Verdict.ACCOUNT,
    "isv.OUT_OF_SERVICE": Verdict.ACCOUNT,
    "isv.PARAM_LENGTH_LIMIT": Verdict.REFUSED,
    "isv.PARAM_NOT_SUPPORT_URL": Verdict.REFUSED,
    "isv.PRODUCT_UNSUBSCRIBE": Verdict.ACCOUNT,
    "isv.PRODUCT_UN_SUBSCRIPT": Verdict.ACCOUNT,
    "isv.SIGN_NAME_ILLEGAL": Verdict.ACCOUNT,
    "isv.SMS_SIGNATURE_ILLEGAL": Verdict.ACCOUNT,
    "isv.SMS_SIGNATURE_SCENE_ILLEGAL": Verdict.ACCOUNT,
    "isv.SMS_SIGN_ILLEGAL": Verdict.ACCOUNT,
    "isv.SMS_TEMPLATE_ILLEGAL": Verdict.ACCOUNT,
    "isv.TEMPLATE_MISSING_PARAMETERS": Verdict.REFUSED,
}
# The SDK raises one and the same type for all network trouble; only its text tells them apart.
NEVER_LEFT = ("NewConnectionError", "Failed to establish a new connection", "NameResolutionError")
CONNECT_TIMED_OUT = ("ConnectTimeoutError", "connect timeout=")


class AliyunProvider:
    """One call for one SMS; the SDK makes no retries of its own."""

    name = "aliyun"

    def __init__(
        self, settings: AliyunSettings, timeout: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT)
    ) -> None:
        self._settings = settings
        self._timeout = timeout
        self._client: Any = None
        self._models: Any = None
        self._options: Any = None
        check_template("aliyun.template_params", settings.template_params)
        self.extra_keys = extra_keys(settings.template_params)

    def prepare(self) -> None:
        """Import the SDK (46 MB of memory) and build its client."""
        if self._client is not None:
            return
        client = import_module("alibabacloud_dysmsapi20170525.client")
        models = import_module("alibabacloud_tea_openapi.models")
        self._models = import_module("alibabacloud_dysmsapi20170525.models")
        # At DEBUG the SDK logs whole addresses, which hold the number and the text.
        logging.getLogger("darabonba-core").setLevel(logging.WARNING)
        address = urlsplit(self._settings.endpoint)
        self._client = client.Client(
            models.Config(
                access_key_id=self._settings.access_key_id,
                access_key_secret=self._settings.access_key_secret,
                protocol=address.scheme,
                endpoint=address.netloc,
            )
        )
        connect, read = (round(seconds * 1000) for seconds in self._timeout)
        self._options = client.RuntimeOptions(connect_timeout=connect, read_timeout=read)

    def count_segments(self, text: str) -> int:
        """By characters, the sign in its brackets included."""
        return count_characters(f"【{self._settings.sign_name}】{text}")

    def send(self, sms: Sms) -> Answer:
        """Make the call and read the answer."""
        try:
            request = self._request(sms)
        except MissingValueError as error:
            return Answer(Verdict.REFUSED, f"no value for {error}")
        try:
            body = self._client.send_sms_with_options(request, self._options).body
        except Exception as error:
            # Its text is never kept: on a refused connection it holds the number.
            return read_error(error)
        return read_body(body)

    def _request(self, sms: Sms) -> Any:
        params = fill(self._settings.template_params, sms)
        return self._models.SendSmsRequest(
            phone_numbers=sms.number.removeprefix("+86").removeprefix("+"),
            sign_name=self._settings.sign_name,
            template_code=self._settings.template_code,
            template_param=msgspec.json.encode(params).decode(),
            out_id=str(sms.key),
        )


def read_body(body: Any) -> Answer:
    """What an answer of Aliyun means. Pure."""
    code = getattr(body, "code", None)
    if not code:
        return Answer(Verdict.AMBIGUOUS, "the answer has no code")
    verdict = VERDICTS.get(code, Verdict.REFUSED)
    reference = body.biz_id if verdict is Verdict.ACCEPTED else None
    return Answer(verdict, f"aliyun {safe_code(code)}", reference=reference)


def read_error(error: Exception) -> Answer:
    """What an exception of the SDK means. Pure."""
    code, status = getattr(error, "code", None), getattr(error, "status_code", None)
    if isinstance(code, str) and isinstance(status, int):
        fallback = Verdict.AMBIGUOUS if status >= 500 else Verdict.REFUSED
        return Answer(VERDICTS.get(code, fallback), f"aliyun {safe_code(code)}")
    text = str(error)
    if any(mark in text for mark in NEVER_LEFT + CONNECT_TIMED_OUT):
        return Answer(Verdict.UNREACHABLE, "provider unreachable")
    return Answer(Verdict.AMBIGUOUS, "no answer")
