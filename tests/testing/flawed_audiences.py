"""Resolvers with one flaw each, under the checks; see flawed_transports.py."""

from __future__ import annotations

import structlog
from gevent import monkey

from onepush_core import InvalidAudience, KeyQuery, Selector, hookimpl
from onepush_core.testing import AudienceResolverConformance

log = structlog.get_logger("teams")


class Teams:
    """The sound one: TEAM means every alias that begins with the team's name and a dot."""

    @hookimpl
    def startup(self, gateway):
        self.gateway = gateway

    @hookimpl
    def resolve_audience(self, app, selector):
        if selector.kind != "TEAM":
            return None
        return self.query(app, self.name_in(selector.values))

    def name_in(self, values):
        if len(values) != 1 or not values[0].strip() or "\x00" in values[0] or not values[0].isascii():
            raise InvalidAudience("audiences: one team at a time")
        return values[0]

    def query(self, app, name):
        statement = "SELECT key FROM device WHERE app = ? AND substr(alias, 1, ?) = ?"
        return KeyQuery(statement, (app.key, len(name) + 1, f"{name}."))

    def ids(self, app, name):
        rows = self.gateway.read(
            lambda transaction: transaction.rows(
                "SELECT id FROM device WHERE app = ? AND substr(alias, 1, ?) = ?",
                (app.key, len(name) + 1, f"{name}."),
            )
        )
        return [row[0] for row in rows]


class Checks(AudienceResolverConformance):
    name = "teams"
    selector = Selector("TEAM", ("red",))
    invalid = (Selector("TEAM", ()), Selector("TEAM", ("red", "blue")), Selector("TEAM", (" ",)))
    Plugin = Teams
    CAUGHT = ()
    SENTENCE = ""

    def make_plugin(self):
        return self.Plugin()

    def meant(self, number):
        return {"alias": f"red.{number}", "nativeToken": f"red-token-{number}"}

    def not_meant(self, number):
        return {"alias": f"blue.{number}", "nativeToken": f"blue-token-{number}"}


class TestSound(Checks):
    """Nothing is wrong with it."""


class TestLazySound(Checks):
    """Nor with ids that come one by one."""

    class Plugin(Teams):
        def query(self, app, name):
            yield from self.ids(app, name)


class TestNearsighted(Checks):
    class Plugin(Teams):
        def query(self, app, name):
            found = super().query(app, name)
            return found._replace(statement=f"{found.statement} AND alias <> 'red.4'")

    CAUGHT = ("test_finds_whom_it_means",)
    SENTENCE = "1 of 5 devices that the selector means are not found"


class TestBroad(Checks):
    class Plugin(Teams):
        def query(self, app, name):
            statement = (
                "SELECT key FROM device WHERE app = ? AND (substr(alias, 1, ?) = ? OR alias = 'blue.2')"
            )
            return super().query(app, name)._replace(statement=statement)

    CAUGHT = ("test_finds_whom_it_means",)
    SENTENCE = "a device is found that the selector does not mean"


class TestBorderless(Checks):
    class Plugin(Teams):
        def query(self, app, name):
            return KeyQuery(
                "SELECT key FROM device WHERE substr(alias, 1, ?) = ?", (len(name) + 1, f"{name}.")
            )

    CAUGHT = ("test_finds_nobody_of_another_app",)
    SENTENCE = "devices of another app are among those found"


class TestBoundToTheDispatcher(Checks):
    """It answers once for the check of a send, and with nobody when it is dispatched."""

    class Plugin(Teams):
        asked = 0

        def query(self, app, name):
            self.asked += 1
            return iter(()) if app.name == "test" and self.is_sending() else super().query(app, name)

        def is_sending(self):
            return (
                self.gateway.read(lambda transaction: transaction.row("SELECT count(*) FROM device"))[0] == 5
            )

    CAUGHT = ("test_message_reaches_them",)
    SENTENCE = "a send for 3 devices was offered 0 times"


class TestJealous(Checks):
    class Plugin(Teams):
        @hookimpl
        def resolve_audience(self, app, selector):
            if selector.kind not in ("TEAM", "ALIAS", "ALL", "DEVICE"):
                raise InvalidAudience("audienceType: not TEAM")
            return super().resolve_audience(app, selector)

    CAUGHT = ("test_leaves_other_kinds_alone",)
    SENTENCE = "InvalidAudience for the kind 'TAG', not None"


class TestGrabbing(Checks):
    class Plugin(Teams):
        @hookimpl
        def resolve_audience(self, app, selector):
            return iter(()) if selector.kind == "" else super().resolve_audience(app, selector)

    CAUGHT = ("test_leaves_other_kinds_alone",)
    SENTENCE = "an answer for the kind '', which is not its own"


class TestLenient(Checks):
    class Plugin(Teams):
        def name_in(self, values):
            return super().name_in(values[:1])

    CAUGHT = ("test_refuses_bad_input",)
    SENTENCE = "no InvalidAudience for ('red', 'blue')"


class TestRaising(Checks):
    class Plugin(Teams):
        def name_in(self, values):
            if not values:
                raise IndexError
            return super().name_in(values)

    CAUGHT = ("test_refuses_bad_input",)
    SENTENCE = "IndexError, not InvalidAudience, for ()"


class TestInjectable(Checks):
    class Plugin(Teams):
        def query(self, app, name):
            statement = f"SELECT key FROM device WHERE app = ? AND substr(alias, 1, ?) = '{name}.'"
            return KeyQuery(statement, (app.key, len(name) + 1))

    CAUGHT = ("test_takes_any_string",)
    SENTENCE = "StoreUnavailable for the value"


class TestWild(Checks):
    class Plugin(Teams):
        def query(self, app, name):
            return KeyQuery("SELECT key FROM device WHERE app = ? AND alias LIKE ?", (app.key, f"{name}.%"))

    CAUGHT = ("test_takes_any_string",)
    SENTENCE = "the value '%' finds devices"


class TestHoarding(Checks):
    class Plugin(Teams):
        def query(self, app, name):
            return self.ids(app, name)

    CAUGHT = ("test_is_lazy",)
    SENTENCE = "all devices are read into one list"


class TestSleepy(Checks):
    class Plugin(Teams):
        def query(self, app, name):
            if len(self.ids(app, name)) > 100:
                monkey.get_original("time", "sleep")(0.6)
            return super().query(app, name)

    CAUGHT = ("test_is_lazy",)
    SENTENCE = "nothing else could run for 0.6 s while it resolved"


class TestForgetful(Checks):
    """It keeps its teams in memory."""

    class Plugin(Teams):
        @hookimpl
        def startup(self, gateway):
            super().startup(gateway)
            self.known = not self.ids_of_all()

        def ids_of_all(self):
            return self.gateway.read(lambda transaction: transaction.rows("SELECT id FROM device"))

        def query(self, app, name):
            return super().query(app, name) if self.known else iter(())

    CAUGHT = ("test_answers_again_after_restart",)
    SENTENCE = "after a restart the same selector finds other devices"


class TestTalkative(Checks):
    class Plugin(Teams):
        def query(self, app, name):
            log.debug("resolved", ids=self.ids(app, name))
            return super().query(app, name)

    CAUGHT = ("test_keeps_secrets",)
    SENTENCE = "the log holds a device id"
