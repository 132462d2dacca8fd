"""``http``: any SMS gateway that takes one HTTP request for one SMS."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from onepush_core import ConfigurationError
from onepush_sms.http_call import Caller, Reply
from onepush_sms.objects import Answer, Sms, Verdict
from onepush_sms.segments import count_segments
from onepush_sms.settings import HttpSettings, Success
from onepush_sms.templates import MissingValueError, check_template, extra_keys, fill

# What a status means that is not one of success. Source: RFC 9110 section 15, RFC 6585 section 4.
# 408 is said of a request that did not arrive in full; a proxy may say it of its own wait.
VERDICTS = {
    401: Verdict.ACCOUNT,
    402: Verdict.ACCOUNT,
    403: Verdict.ACCOUNT,
    408: Verdict.AMBIGUOUS,
    429: Verdict.LATER,
}


class HttpProvider:
    """Fills the templates and makes the call. Raises ConfigurationError for wrong templates."""

    name = "http"

    def __init__(self, settings: HttpSettings, caller: Caller | None = None) -> None:
        self._settings = settings
        self._caller = caller or Caller()
        if settings.json is not None and settings.form is not None:
            raise ConfigurationError("http.form: cannot be set together with http.json")
        templates = {"url": settings.url, "json": settings.json, "form": settings.form}
        for key, template in templates.items():
            check_template(f"http.{key}", template)
        self.extra_keys = extra_keys(templates)

    def prepare(self) -> None:
        """Nothing to prepare."""

    def count_segments(self, text: str) -> int:
        """As a provider counts that picks the alphabet."""
        return count_segments(text)

    def send(self, sms: Sms) -> Answer:
        """Make the call and read the answer."""
        settings = self._settings
        try:
            url = fill(settings.url, sms, lambda value: quote(value, safe=""))
            options = self._body(sms)
        except MissingValueError as error:
            return Answer(Verdict.REFUSED, f"no value for {error}")
        reply = self._caller.call(settings.method, url, headers=settings.headers, **options)
        return read_reply(settings.success, reply) if isinstance(reply, Reply) else reply

    def _body(self, sms: Sms) -> dict[str, Any]:
        settings = self._settings
        if settings.json is not None:
            return {"json": fill(settings.json, sms)}
        if settings.form is None:
            return {}
        return {"params" if settings.method == "GET" else "data": fill(settings.form, sms)}


def read_reply(success: Success, reply: Reply) -> Answer:
    """What an answer means, given which answer means success. Pure."""
    statuses = (success.status,) if isinstance(success.status, int) else success.status
    if reply.status not in statuses:
        verdict = VERDICTS.get(reply.status) or _by_class(reply.status)
        return Answer(verdict, f"status {reply.status}", retry_after=reply.retry_after)
    if not success.json:
        return Answer(Verdict.ACCEPTED)
    try:
        told = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Answer(Verdict.AMBIGUOUS, "the answer is not JSON")
    if not _contains(told, success.json):
        return Answer(Verdict.REFUSED, "the answer does not say success")
    return Answer(Verdict.ACCEPTED)


def _by_class(status: int) -> Verdict:
    """A server error, or an answer of success that was not asked for, may have sent it all the same."""
    return Verdict.REFUSED if 300 <= status < 500 else Verdict.AMBIGUOUS


def _contains(told: Any, expected: Any) -> bool:
    """Whether the answer has all the expected fields with these values."""
    if isinstance(expected, dict):
        return isinstance(told, dict) and all(
            key in told and _contains(told[key], value) for key, value in expected.items()
        )
    return type(told) is type(expected) and bool(told == expected)
