"""What can go wrong, each with the five-digit code that callers see.

A code is the HTTP status with two digits appended. ``docs/http-api.md`` has the table; a test compares both.
"""

from __future__ import annotations


class OnepushError(Exception):
    """Base of all errors of ours; ``code`` is what the caller sees."""

    code = 50000
    summary = "internal error"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.summary)

    @property
    def status(self) -> int:
        """The HTTP status of this error."""
        return self.code // 100


class InvalidField(OnepushError):
    """A field of the request is missing, blank, of the wrong type or out of range."""

    code = 40001
    summary = "invalid field"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class InvalidJson(OnepushError):
    """The body is not the JSON that onepush takes."""

    code = 40002
    summary = "the body is not valid JSON"


class InvalidAudience(OnepushError):
    """The audience cannot be understood."""

    code = 40003
    summary = "invalid audience"


class UnknownAudienceType(OnepushError):
    """No plugin resolves this audience type."""

    code = 40004
    summary = "no plugin resolves this audience type"


class UnknownOptions(OnepushError):
    """Options for a plugin that is not there or was set aside."""

    code = 40005
    summary = "options for a plugin that takes no part"


class AuthenticationFailed(OnepushError):
    """Unknown app or wrong key: the caller cannot tell which."""

    code = 40101
    summary = "unknown app or wrong key"


class AdminRequired(OnepushError):
    """An admin call without the admin token, or with a wrong one."""

    code = 40102
    summary = "the admin token is missing or wrong"


class AdminDisabled(OnepushError):
    """Admin calls are off, because no admin token is set."""

    code = 40301
    summary = "admin calls are off: no admin token is set"


class UnknownApp(OnepushError):
    """The app named does not exist or is disabled."""

    code = 40403
    summary = "no such app"


class UnknownDevice(OnepushError):
    """The device named does not exist."""

    code = 40401
    summary = "no such device"


class UnknownMessage(OnepushError):
    """The message named does not exist for this app."""

    code = 40402
    summary = "no such message"


class BodyTooSlow(OnepushError):
    """The body did not arrive in time; the connection is closed."""

    code = 40801
    summary = "the body did not arrive in time"


class IdempotencyInProgress(OnepushError):
    """The first request with this key is still running."""

    code = 40901
    summary = "a request with this Idempotency-Key is still running"


class BodyTooLarge(OnepushError):
    """The body is longer than the gateway takes; the connection is closed."""

    code = 41301
    summary = "the body is too large"


class UnsupportedMediaType(OnepushError):
    """The body is not of a type that this path takes."""

    code = 41501
    summary = "this path takes application/json in UTF-8"


class IdempotencyMismatch(OnepushError):
    """The key was used before with another body."""

    code = 42201
    summary = "this Idempotency-Key was used with another body"


class StoreUnavailable(OnepushError):
    """The store did not commit; whether it will is unknown."""

    code = 50301
    summary = "the store does not answer, try again"


class Overloaded(OnepushError):
    """More is waiting to be written than the gateway takes."""

    code = 50302
    summary = "too much is waiting, try again"


class PluginUnavailable(OnepushError):
    """A plugin that has to answer failed."""

    code = 50304
    summary = "a plugin did not answer, try again"


class DispatchStuck(OnepushError):
    """Messages are accepted but not taken further."""

    code = 50303
    summary = "the dispatcher does not come through"


class LeaseLost(OnepushError):
    """This worker was given up by the others: what it had in hand is theirs."""

    code = 50305
    summary = "this worker lost its lease, try again"


class BusUnavailable(OnepushError):
    """The bus between the workers does not answer."""

    code = 50306
    summary = "the bus does not answer"


class ConfigurationError(Exception):
    """A bad setting, plugin or database: the start stops with this one line."""


class PluginFault(Exception):
    """A plugin cannot take part: it is set aside, or, where it is required, the start stops.

    ``reason``: for everybody, so without anything that the plugin said. ``detail``: what it said, for the
    operator's screen and log.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    @classmethod
    def of(cls, what: str, error: BaseException) -> PluginFault:
        """``what`` it was doing when this error came."""
        lines = str(error).splitlines()
        return cls(f"{what}: {type(error).__name__}", lines[0] if lines else "")
