"""What the providers' servers answer: they check what the real ones check."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from urllib.parse import parse_qsl, quote

from onepush_core.testing import FakeVendor, Reply


def serve(answer):
    """A server that answers with ``answer(request) -> (status, object)``."""
    return FakeVendor(lambda request: Reply(*answer(request)))


# --- Twilio ----------------------------------------------------------------------------------

TWILIO = {"account_sid": "AC" + "0" * 32, "auth_token": "twilio-token", "from": "+15005550006"}


def twilio(request):
    """POST /2010-04-01/Accounts/{sid}/Messages.json, Basic, form with To, Body and From."""
    sid, token = TWILIO["account_sid"], TWILIO["auth_token"]
    basic = "Basic " + base64.b64encode(f"{sid}:{token}".encode()).decode()
    if request.headers.get("authorization") != basic:
        return 401, {"code": 20003, "message": "Authenticate", "status": 401}
    if request.path != f"/2010-04-01/Accounts/{sid}/Messages.json" or request.method != "POST":
        return 404, {"code": 20404, "message": "not found", "status": 404}
    form = dict(parse_qsl(request.body.decode()))
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", form.get("To", "")):
        return 400, {"code": 21211, "message": f"invalid {form.get('To')}", "status": 400}
    if not form.get("From") and not form.get("MessagingServiceSid"):
        return 400, {"code": 21603, "message": "From is required", "status": 400}
    if not form.get("Body"):
        return 400, {"code": 21602, "message": "Body is required", "status": 400}
    return 201, {"sid": "SM" + "1" * 32, "status": "queued"}


# --- Tencent ---------------------------------------------------------------------------------

TENCENT = {
    "secret_id": "AKIDexample",
    "secret_key": "tencent-secret",
    "sdk_app_id": "1400006666",
    "sign_name": "onepush",
    "template_id": "1110",
    "template_params": ["{smsMessage}", "{extra.code}"],
}


def tencent(request):
    """API 3.0: TC3-HMAC-SHA256, action SendSms, an approved template with two parameters."""
    wrong = _tencent_wrong(request)
    if wrong:
        return 200, {"Response": {"Error": {"Code": wrong, "Message": "no"}, "RequestId": "r"}}
    told = json.loads(request.body)
    code = "Ok"
    if told["TemplateId"] != TENCENT["template_id"] or len(told["TemplateParamSet"]) != 2:
        code = "FailedOperation.TemplateIncorrectOrUnapproved"
    elif told["SignName"] != TENCENT["sign_name"]:
        code = "FailedOperation.SignatureIncorrectOrUnapproved"
    status = {"SerialNo": "serial-1", "PhoneNumber": told["PhoneNumberSet"][0], "Fee": 1}
    status |= {"Code": code, "Message": "", "SessionContext": told["SessionContext"], "IsoCode": "CN"}
    return 200, {"Response": {"SendStatusSet": [status], "RequestId": "r"}}


def _tencent_wrong(request):
    headers = request.headers
    if headers.get("x-tc-action") != "SendSms" or headers.get("x-tc-version") != "2021-01-11":
        return "InvalidAction"
    stamp = headers["x-tc-timestamp"]
    if abs(int(stamp) - time.time()) > 300:
        return "AuthFailure.SignatureExpire"
    date = time.strftime("%Y-%m-%d", time.gmtime(int(stamp)))
    signed = re.search(r"SignedHeaders=([^,]+)", headers["authorization"])[1]
    names = "".join(f"{name}:{headers[name].strip().lower()}\n" for name in signed.split(";"))
    digest = hashlib.sha256(request.body).hexdigest()
    canonical = f"POST\n/\n\n{names}\n{signed}\n{digest}"
    scope = f"{date}/sms/tc3_request"
    text = f"TC3-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"TC3{TENCENT['secret_key']}".encode()
    for part in (date, "sms", "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    expected = f"Credential={TENCENT['secret_id']}/{scope}, SignedHeaders={signed}, Signature={signature}"
    return None if headers["authorization"].endswith(expected) else "AuthFailure.SignatureFailure"


# --- Aliyun ----------------------------------------------------------------------------------

ALIYUN = {
    "access_key_id": "LTAIexample",
    "access_key_secret": "aliyun-secret",
    "sign_name": "onepush",
    "template_code": "SMS_1",
    "template_params": {"message": "{smsMessage}", "code": "{extra.code}"},
}


def aliyun(request):
    """ACS3-HMAC-SHA256, action SendSms, an approved template with the parameters message and code."""
    if (
        request.headers.get("x-acs-action") != "SendSms"
        or request.headers.get("x-acs-version") != "2017-05-25"
    ):
        return 404, {"Code": "InvalidAction.NotFound", "Message": "no", "RequestId": "r"}
    if not _aliyun_signed(request):
        return 400, {"Code": "SignatureDoesNotMatch", "Message": "no", "RequestId": "r"}
    query = request.query
    if not re.fullmatch(r"1\d{10}|[2-9]\d{6,14}", query.get("PhoneNumbers", "")):
        return 200, {"Code": "isv.MOBILE_NUMBER_ILLEGAL", "Message": "no", "RequestId": "r"}
    if query.get("SignName") != ALIYUN["sign_name"]:
        return 200, {"Code": "isv.SMS_SIGNATURE_ILLEGAL", "Message": "no", "RequestId": "r"}
    if query.get("TemplateCode") != ALIYUN["template_code"]:
        return 200, {"Code": "isv.SMS_TEMPLATE_ILLEGAL", "Message": "no", "RequestId": "r"}
    if set(json.loads(query["TemplateParam"])) != {"message", "code"}:
        return 200, {"Code": "isv.TEMPLATE_MISSING_PARAMETERS", "Message": "no", "RequestId": "r"}
    return 200, {"Code": "OK", "Message": "OK", "BizId": "biz-1^0", "RequestId": "r"}


def _aliyun_signed(request):
    headers = request.headers
    found = re.fullmatch(
        r"ACS3-HMAC-SHA256 Credential=([^,]+),\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]+)",
        headers["authorization"],
    )
    if found is None or found[1] != ALIYUN["access_key_id"]:
        return False
    if hashlib.sha256(request.body).hexdigest() != headers["x-acs-content-sha256"]:
        return False
    query = "&".join(f"{_escape(key)}={_escape(value)}" for key, value in sorted(request.query.items()))
    names = "".join(f"{name}:{headers[name].strip()}\n" for name in found[2].split(";"))
    canonical = f"POST\n/\n{query}\n{names}\n{found[2]}\n{headers['x-acs-content-sha256']}"
    text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    signature = hmac.new(ALIYUN["access_key_secret"].encode(), text.encode(), "sha256").hexdigest()
    return hmac.compare_digest(signature, found[3])


def _escape(text):
    return quote(text, safe="-_.~")
