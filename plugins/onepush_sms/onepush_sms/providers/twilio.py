"""``twilio``: one form call for one SMS. Source: Twilio, Programmable Messaging, "Create a Message"."""

from __future__ import annotations

import msgspec

from onepush_sms.http_call import Caller, Reply
from onepush_sms.objects import Answer, Sms, Verdict, safe_code
from onepush_sms.segments import count_segments
from onepush_sms.settings import TwilioSettings

# Source: Twilio, "Error and Warning Dictionary". What is not here follows from the status.
VERDICTS = {
    20003: Verdict.ACCOUNT,  # authentication failed, or no balance
    20005: Verdict.ACCOUNT,  # account not active
    20429: Verdict.LATER,  # too many requests
    21211: Verdict.BAD_NUMBER,  # invalid To
    21212: Verdict.ACCOUNT,  # invalid From
    21217: Verdict.BAD_NUMBER,  # not a phone number
    21408: Verdict.REFUSED,  # country not switched on for this account
    21603: Verdict.ACCOUNT,  # From is missing
    21606: Verdict.ACCOUNT,  # From cannot send
    21608: Verdict.ACCOUNT,  # trial account, number not verified
    21610: Verdict.BAD_NUMBER,  # the person has unsubscribed
    21611: Verdict.LATER,  # queue of this From is full
    21612: Verdict.REFUSED,  # no route from this From to this To
    21614: Verdict.BAD_NUMBER,  # not a mobile number
    21617: Verdict.REFUSED,  # text too long
    21635: Verdict.BAD_NUMBER,  # a landline
    21659: Verdict.ACCOUNT,  # From is not ours
    21660: Verdict.ACCOUNT,  # From belongs to another account
    21703: Verdict.ACCOUNT,  # the Messaging Service has no sender
    63038: Verdict.ACCOUNT,  # the account's daily limit
}
STATUSES = {401: Verdict.ACCOUNT, 403: Verdict.ACCOUNT, 408: Verdict.AMBIGUOUS, 429: Verdict.LATER}


class TwilioProvider:
    """``report_base``: the beginning of the address that Twilio reports to; None: it does not."""

    name = "twilio"
    extra_keys: frozenset[str] = frozenset()

    def __init__(
        self, settings: TwilioSettings, report_base: str | None = None, caller: Caller | None = None
    ) -> None:
        self._settings = settings
        self._report_base = report_base
        self._caller = caller or Caller()

    def prepare(self) -> None:
        """Nothing to prepare."""

    def count_segments(self, text: str) -> int:
        """Twilio picks the alphabet."""
        return count_segments(text)

    def send(self, sms: Sms) -> Answer:
        """Make the call and read the answer."""
        settings = self._settings
        url = f"{settings.endpoint}/2010-04-01/Accounts/{settings.account_sid}/Messages.json"
        reply = self._caller.call(
            "POST", url, data=self._form(sms), auth=(settings.account_sid, settings.auth_token)
        )
        return read_reply(reply) if isinstance(reply, Reply) else reply

    def _form(self, sms: Sms) -> dict[str, str]:
        sender = self._settings.sender
        form = {"To": sms.number, "Body": sms.text}
        form["MessagingServiceSid" if sender.startswith("MG") else "From"] = sender
        if self._report_base:
            form["StatusCallback"] = f"{self._report_base}/{sms.app}?sms={sms.key}"
        return form


def read_reply(reply: Reply) -> Answer:
    """What an answer of Twilio means. Pure."""
    try:
        told = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        told = None
    if not isinstance(told, dict):
        return Answer(Verdict.AMBIGUOUS, "the answer is not JSON")
    if reply.status == 201 and isinstance(told.get("sid"), str):
        return Answer(Verdict.ACCEPTED, reference=told["sid"][:64])
    if reply.status >= 500 or reply.status < 300:
        return Answer(Verdict.AMBIGUOUS, f"status {reply.status}")
    code = told.get("code")
    verdict = VERDICTS.get(code) if isinstance(code, int) else None
    verdict = verdict or STATUSES.get(reply.status, Verdict.REFUSED)
    return Answer(verdict, f"twilio {safe_code(code)}", retry_after=reply.retry_after)
