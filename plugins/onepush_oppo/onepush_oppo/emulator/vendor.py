"""OPPO's calls as functions of a form: who asks, what for, what is answered.

Source: OPPO's pages on authentication (document 11234), return codes (11235) and unicast (11238).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from onepush_oppo.emulator.phones import Phones
from onepush_oppo.emulator.rules import Fault, check_message
from onepush_oppo.emulator.state import Arrival, State

PREFIX = "/server/v1"
SKEW = 600_000
MOST = 1000
Form = dict[str, str]
Answer = dict[str, Any]


class Refused(Exception):
    """The call as a whole is refused."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.fault = Fault(code, text)


def read_form(content_type: str, body: bytes) -> Form:
    """The fields of a form. Raises Refused."""
    if body and content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise Refused(40, "Missing Required Arguments: not a form")
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise Refused(25, "Invalid Encoding") from None


class Vendor:
    """Answers calls."""

    def __init__(self, state: State, phones: Phones) -> None:
        self._state = state
        self._phones = phones
        self._calls: dict[tuple[str, str], Callable[[Form, Mapping[str, str]], Answer]] = {
            ("POST", "/auth"): self._auth,
            ("POST", "/message/notification/unicast"): self._unicast,
            ("POST", "/message/notification/unicast_batch"): self._batch,
            ("GET", "/feedback/fetch_invalid_regidList"): self._invalid_ids,
        }

    def answer(self, method: str, path: str, form: Form, headers: Mapping[str, str]) -> Answer:
        """Answer one call; whatever is wrong becomes a code."""
        short = path.removeprefix(PREFIX)
        call = self._calls.get((method, short))
        try:
            if call is not None:
                return call(form, headers)
            known = any(short == name for _, name in self._calls)
            raise Refused(12, "Http Action Not Allowed") if known else Refused(20, "Invalid Method")
        except Refused as error:
            return {"code": error.fault.code, "message": error.fault.text}

    def _auth(self, form: Form, headers: Mapping[str, str]) -> Answer:
        app_key, timestamp = form.get("app_key"), form.get("timestamp")
        if not app_key:
            raise Refused(15, "Missing App Key")
        secret = self._state.options.credentials.get(app_key)
        if secret is None:
            raise Refused(14, "Invalid App Key")
        if not timestamp:
            raise Refused(18, "Missing Timestamp")
        now = int(self._state.now() * 1000)
        if len(timestamp) != 13 or not timestamp.isdecimal() or abs(now - int(timestamp)) > SKEW:
            raise Refused(19, "Invalid Timestamp")
        if not form.get("sign"):
            raise Refused(17, "Missing Signature")
        if form["sign"] != hashlib.sha256(f"{app_key}{timestamp}{secret}".encode()).hexdigest():
            raise Refused(16, "Invalid Signature")
        with self._state.lock:
            self._state.counts["tokens"] += 1
            return _success({"auth_token": self._state.issue_token(app_key), "create_time": now})

    def _unicast(self, form: Form, headers: Mapping[str, str]) -> Answer:
        app_key = self._authorised(form, headers)
        message = _json_field(form, "message")
        self._admit(app_key, 1)
        fault, item = self._push(app_key, message)
        if fault is not None:
            raise Refused(*fault)
        return _success({"messageId": item["messageId"]})

    def _batch(self, form: Form, headers: Mapping[str, str]) -> Answer:
        app_key = self._authorised(form, headers)
        messages = _json_field(form, "messages")
        if not isinstance(messages, list) or not 0 < len(messages) <= MOST:
            raise Refused(41, f"Invalid Arguments: messages: a list of 1 to {MOST}")
        self._admit(app_key, len(messages))
        if self._state.options.strict_batches:
            self._refuse_batch(messages)
        return _success([self._batch_item(app_key, message) for message in messages])

    def _refuse_batch(self, messages: list[Any]) -> None:
        for message in messages:
            fault = self._check(message)
            if fault is not None:
                raise Refused(*fault)

    def _batch_item(self, app_key: str, message: Any) -> Answer:
        fault, item = self._push(app_key, message)
        return item if fault is None else {**item, "errorCode": fault.code, "errorMessage": fault.text}

    def _invalid_ids(self, form: Form, headers: Mapping[str, str]) -> Answer:
        self._authorised(form, headers)
        found = list(self._state.invalid)
        return _success({"registration_ids": found, "totalCount": len(found)})

    def _authorised(self, form: Form, headers: Mapping[str, str]) -> str:
        """Whose token came along; in the form it counts before a header."""
        token = form.get("auth_token")
        if not token and not self._state.options.body_token_only:
            token = next((value for name, value in headers.items() if name.lower() == "auth_token"), None)
        if not token:
            raise Refused(29, "Missing Auth Token")
        app_key = self._state.app_of(token)
        if app_key is None:
            raise Refused(11, "Invalid AuthToken")
        return app_key

    def _admit(self, app_key: str, number: int) -> None:
        with self._state.lock:
            if self._state.over_rate(number):
                raise Refused(self._state.options.rate_code, "App Call Frequency Limit")
            if self._state.over_quota(app_key, number):
                raise Refused(33, "The number of messages exceeds the daily limit")

    def _push(self, app_key: str, message: Any) -> tuple[Fault | None, Answer]:
        """Send one message to its phone; what is wrong with it, and its item in a batch answer."""
        target = message.get("target_value") if isinstance(message, dict) else None
        message_id = f"{app_key[:24]}-1-1-{secrets.token_hex(12)}"
        item = {"messageId": message_id, "registrationId": target}
        fault = self._check(message)
        if fault is not None:
            return fault, item
        notification = {name: value for name, value in message["notification"].items() if value is not None}
        arrival = Arrival(
            target=str(target),
            target_type=message["target_type"],
            app_key=app_key,
            message_id=message_id,
            notification=notification,
            at=self._state.now(),
        )
        duplicate_code = self._state.options.duplicate_code
        if not self._phones.take(arrival) and duplicate_code:
            return Fault(duplicate_code, "Data Duplicate"), item
        return None, item

    def _check(self, message: Any) -> Fault | None:
        options = self._state.options
        fault = check_message(message, options.content_limit, options.strong_reminders)
        if fault is None and message["target_value"] in self._state.codes:
            fault = Fault(self._state.codes[message["target_value"]], "as ordered")
        return fault


def _success(data: Any) -> Answer:
    return {"code": 0, "message": "success", "data": data}


def _json_field(form: Form, name: str) -> Any:
    if not form.get(name):
        raise Refused(40, f"Missing Required Arguments: {name}")
    try:
        return json.loads(form[name])
    except ValueError:
        raise Refused(41, f"Invalid Arguments: {name} is not JSON") from None
