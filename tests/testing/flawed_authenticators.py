"""Authenticators with one flaw each, under the checks; see flawed_transports.py."""

from __future__ import annotations

import hmac

import structlog
from gevent import monkey

from onepush_core import App, AuthenticationFailed, Credentials, hookimpl
from onepush_core.testing import AuthenticatorConformance

log = structlog.get_logger("tickets")
STAMP = "the-stamp-of-the-login-service"


def ticket_for(app_id):
    """``ticket:<app id>:<signature>``, as the login service makes it."""
    signature = hmac.digest(STAMP.encode(), app_id.encode("utf-8", "surrogatepass"), "sha256").hex()
    return f"ticket:{app_id}:{signature}"


class Tickets:
    """The sound one."""

    @hookimpl
    def startup(self, gateway):
        self.directory = gateway.directory

    @hookimpl
    def authenticate_app(self, credentials):
        if not self.is_ticket(credentials.secret):
            return None
        app = self.find(credentials.app_id)
        if not self.is_genuine(credentials) or app is None:
            return self.refuse(credentials, app)
        return app

    def is_ticket(self, secret):
        return secret.startswith("ticket:")

    def is_genuine(self, credentials):
        wanted = ticket_for(credentials.app_id).encode("utf-8", "surrogatepass")
        return hmac.compare_digest(wanted, credentials.secret.encode("utf-8", "surrogatepass"))

    def find(self, app_id):
        return self.directory.find(app_id)

    def refuse(self, credentials, app):
        raise AuthenticationFailed


class Checks(AuthenticatorConformance):
    name = "tickets"
    secrets = (STAMP,)
    Plugin = Tickets
    CAUGHT = ()
    SENTENCE = ""

    def make_plugin(self):
        return self.Plugin()

    def right(self, client):
        return Credentials(client.id, ticket_for(client.id))

    def wrong(self, client):
        return [
            Credentials(client.id, ticket_for("another")),
            Credentials(client.id, "ticket:"),
            Credentials("nobody", ticket_for("nobody")),
        ]


class TestSound(Checks):
    """Nothing is wrong with it."""


class TestMistaken(Checks):
    class Plugin(Tickets):
        @hookimpl
        def authenticate_app(self, credentials):
            app = super().authenticate_app(credentials)
            return None if app is None else App(app.key, app.id, "another name")

    CAUGHT = ("test_opens_its_app",)
    SENTENCE = "right credentials do not give their app"


class TestJealous(Checks):
    class Plugin(Tickets):
        @hookimpl
        def authenticate_app(self, credentials):
            if credentials.secret == "a password":
                raise AuthenticationFailed
            return super().authenticate_app(credentials)

    CAUGHT = ("test_leaves_foreign_credentials_alone",)
    SENTENCE = "credentials of another kind are not answered with None"


class TestShrugging(Checks):
    class Plugin(Tickets):
        def refuse(self, credentials, app):
            return None

    CAUGHT = ("test_refuses_wrong_credentials",)
    SENTENCE = "wrong credentials of its own kind are not answered with AuthenticationFailed"


class TestSkeletonKey(Checks):
    """Every genuine ticket opens every app; but not for somebody who is called nobody."""

    class Plugin(Tickets):
        def is_genuine(self, credentials):
            _, app_id, _ = (
                credentials.secret.split(":") if credentials.secret.count(":") == 2 else ("", "", "")
            )
            return app_id not in ("", "another") and credentials.secret == ticket_for(app_id)

    CAUGHT = ("test_opens_no_other_app",)
    SENTENCE = "credentials of one app open another"


class TestOutdated(Checks):
    class Plugin(Tickets):
        known = None

        def find(self, app_id):
            self.known = self.known or {}
            app = super().find(app_id)
            if app is not None:
                self.known[app_id] = app
            return self.known.get(app_id)

    CAUGHT = ("test_refuses_a_disabled_app",)
    SENTENCE = "an app that is disabled is still let in"


class TestTelling(Checks):
    class Plugin(Tickets):
        def refuse(self, credentials, app):
            raise AuthenticationFailed("no such app" if app is None else "wrong ticket")

    CAUGHT = ("test_tells_nothing_of_why",)
    SENTENCE = "the caller learns which apps exist"


class TestTired(Checks):
    """After three refusals it refuses everybody."""

    class Plugin(Tickets):
        refusals = 0

        def refuse(self, credentials, app):
            self.refusals += 1
            raise AuthenticationFailed

        def is_genuine(self, credentials):
            return self.refusals < 3 and super().is_genuine(credentials)

    CAUGHT = ("test_answers_the_same_every_time",)
    SENTENCE = "the same credentials get another answer later"


class TestAsciiOnly(Checks):
    class Plugin(Tickets):
        def is_genuine(self, credentials):
            return hmac.compare_digest(ticket_for(credentials.app_id), credentials.secret)

    CAUGHT = ("test_takes_any_string",)
    SENTENCE = "TypeError for a secret like"


class TestTalkative(Checks):
    class Plugin(Tickets):
        def refuse(self, credentials, app):
            log.warning("refused", ticket=credentials.secret)
            raise AuthenticationFailed

    CAUGHT = ("test_keeps_secrets",)
    SENTENCE = "the log holds a secret"


class TestSleepy(Checks):
    class Plugin(Tickets):
        calls = 0

        def find(self, app_id):
            self.calls += 1
            if self.calls == 3:
                monkey.get_original("time", "sleep")(0.6)
            return super().find(app_id)

    CAUGHT = ("test_lets_others_run",)
    SENTENCE = "nothing else could run for 0.6 s"
