"""``tencent``: Tencent Cloud SMS through its SDK (extra ``onepush-sms[tencent]``).

Source: Tencent Cloud, SMS, API 2021-01-11, "SendSms" and "Error Codes".
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from onepush_sms.http_call import READ_TIMEOUT, meaning_of
from onepush_sms.objects import Answer, Sms, Verdict, safe_code
from onepush_sms.segments import count_characters
from onepush_sms.settings import TencentSettings
from onepush_sms.templates import MissingValueError, check_template, extra_keys, fill

# The longest beginning of a code that stands here decides; a code that does not: give up.
VERDICTS = {
    "Ok": Verdict.ACCEPTED,
    "AuthFailure": Verdict.ACCOUNT,
    "UnauthorizedOperation": Verdict.ACCOUNT,
    "IpInBlacklist": Verdict.ACCOUNT,
    "IpNotInWhitelist": Verdict.ACCOUNT,
    "InternalError": Verdict.AMBIGUOUS,
    "ServiceUnavailable": Verdict.AMBIGUOUS,
    "RequestLimitExceeded": Verdict.LATER,
    "FailedOperation.ForbidAddMarketingTemplates": Verdict.ACCOUNT,
    "FailedOperation.InsufficientBalanceInSmsPackage": Verdict.ACCOUNT,
    "FailedOperation.JsonParseFail": Verdict.REFUSED,
    "FailedOperation.PhoneNumberInBlacklist": Verdict.BAD_NUMBER,
    "FailedOperation.SignatureIncorrectOrUnapproved": Verdict.ACCOUNT,
    "FailedOperation.TemplateIncorrectOrUnapproved": Verdict.ACCOUNT,
    "FailedOperation.TemplateUnapprovedOrNotExist": Verdict.ACCOUNT,
    "InvalidParameterValue.IncorrectPhoneNumber": Verdict.BAD_NUMBER,
    "InvalidParameterValue.SdkAppIdNotExist": Verdict.ACCOUNT,
    "LimitExceeded.AppCountryOrRegionDailyLimit": Verdict.ACCOUNT,
    "LimitExceeded.AppDailyLimit": Verdict.ACCOUNT,
    "LimitExceeded.AppGlobalDailyLimit": Verdict.ACCOUNT,
    "LimitExceeded.AppMainlandChinaDailyLimit": Verdict.ACCOUNT,
    "LimitExceeded.DailyLimit": Verdict.ACCOUNT,
    "LimitExceeded.DeliveryFrequencyLimit": Verdict.NUMBER_LIMIT,
    "LimitExceeded.PhoneNumberDailyLimit": Verdict.NUMBER_LIMIT,
    "LimitExceeded.PhoneNumberOneHourLimit": Verdict.NUMBER_LIMIT,
    "LimitExceeded.PhoneNumberSameContentDailyLimit": Verdict.NUMBER_LIMIT,
    "LimitExceeded.PhoneNumberThirtySecondLimit": Verdict.NUMBER_LIMIT,
    "UnsupportedOperation.ChineseMainlandTemplateToGlobalPhone": Verdict.REFUSED,
    "UnsupportedOperation.GlobalTemplateToChineseMainlandPhone": Verdict.REFUSED,
}


class TencentProvider:
    """One call for one SMS; the SDK makes no retries of its own."""

    name = "tencent"

    def __init__(self, settings: TencentSettings, timeout: float = READ_TIMEOUT) -> None:
        self._settings = settings
        self._timeout = timeout
        self._client: Any = None
        self._models: Any = None
        self._error: type[Exception] = Exception
        check_template("tencent.template_params", settings.template_params)
        self.extra_keys = extra_keys(settings.template_params)

    def prepare(self) -> None:
        """Import the SDK and build its client."""
        if self._client is not None:
            return
        credential = import_module("tencentcloud.common.credential")
        client = import_module("tencentcloud.sms.v20210111.sms_client")
        http = import_module("tencentcloud.common.profile.http_profile")
        profile = import_module("tencentcloud.common.profile.client_profile")
        # At DEBUG the SDK logs whole requests, numbers and texts included.
        logging.getLogger("tencentcloud_sdk_common").setLevel(logging.WARNING)
        address = urlsplit(self._settings.endpoint)
        self._client = client.SmsClient(
            credential.Credential(self._settings.secret_id, self._settings.secret_key),
            self._settings.region,
            profile.ClientProfile(
                httpProfile=http.HttpProfile(
                    protocol=address.scheme, endpoint=address.netloc, reqTimeout=self._timeout
                )
            ),
        )
        self._models = import_module("tencentcloud.sms.v20210111.models")
        self._error = import_module("tencentcloud.common.exception").TencentCloudSDKException

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
            response = self._client.SendSms(request)
        except self._error as error:
            return read_error(error)
        return read_statuses(response.SendStatusSet)

    def _request(self, sms: Sms) -> Any:
        request = self._models.SendSmsRequest()
        request.PhoneNumberSet = [sms.number]
        request.SmsSdkAppId = self._settings.sdk_app_id
        request.SignName = self._settings.sign_name
        request.TemplateId = self._settings.template_id
        request.TemplateParamSet = fill(self._settings.template_params, sms)
        request.SessionContext = str(sms.key)
        return request


def read_statuses(statuses: Any) -> Answer:
    """What the answer for our one number means. Pure."""
    if not statuses or len(statuses) != 1:
        return Answer(Verdict.AMBIGUOUS, "the answer names no number")
    status = statuses[0]
    verdict = verdict_of(str(status.Code))
    reference = status.SerialNo if verdict is Verdict.ACCEPTED else None
    return Answer(verdict, f"tencent {safe_code(status.Code)}", reference=reference)


def read_error(error: Any) -> Answer:
    """What an exception of the SDK means. Pure.

    It wraps whatever goes wrong; only an error that Tencent itself answered has a request id.
    """
    if not error.requestId:
        return meaning_of(error)
    return Answer(verdict_of(str(error.code)), f"tencent {safe_code(error.code)}")


def verdict_of(code: str) -> Verdict:
    """The verdict of the longest beginning that is known. Pure."""
    parts = code.split(".")
    for length in range(len(parts), 0, -1):
        known = VERDICTS.get(".".join(parts[:length]))
        if known is not None:
            return known
    return Verdict.REFUSED
