"""What every plugin has to keep that says who is calling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from onepush_core.errors import AuthenticationFailed
from onepush_core.objects import App, Credentials
from onepush_core.testing.conformance.captured_logs import capture_logs
from onepush_core.testing.conformance.findings import AUTHENTICATION, SECRETS, require
from onepush_core.testing.conformance.scene import longest_gap
from onepush_core.testing.manual_clock import ManualClock
from onepush_core.testing.rest_client import Client
from onepush_core.testing.stages import Stage

FORGETTING = 60.0
"""Seconds for which an answer may be remembered."""
LONGEST_GAP = 0.5
HOSTILE = ("", " ", "a\x00b", "' OR 1=1 --", "Ω" * 10_000, "x" * 200_000, "{}", "null")
Answer = App | None | type[AuthenticationFailed]


class AuthenticatorConformance:
    """Inherit it, say which credentials are yours, right and wrong, and get the checks.

    ``name``: of the plugin. ``foreign``: secrets that are not of your kind. ``secrets``: what of your
    settings must not be seen. A check that does not apply to yours: set it to None in your class, and say
    why.
    """

    name: ClassVar[str] = "mine"
    foreign: ClassVar[Sequence[str]] = ("k" * 43, "a password", "")
    secrets: ClassVar[tuple[str, ...]] = ()

    # --- yours to write -----------------------------------------------------------------------

    def make_plugin(self) -> Any:
        """A new object of your plugin, as its entry point makes it; None when it is there anyhow."""
        raise NotImplementedError("make_plugin: return a new object of your plugin")

    def right(self, client: Client) -> Credentials:
        """Credentials of yours that open this app."""
        raise NotImplementedError("right: return credentials that open the client's app")

    def wrong(self, client: Client) -> Sequence[Credentials]:
        """Credentials of your kind that do not open it: forged, expired, for an app that is not there."""
        raise NotImplementedError("wrong: return credentials of your kind that are wrong")

    # --- the scene ----------------------------------------------------------------------------

    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Stage]:
        """A started gateway with your plugin."""
        plugin = self.make_plugin()
        self.clock = ManualClock()
        stage = Stage(tmp_path, {} if plugin is None else {self.name: plugin}, clock=self.clock)
        try:
            yield stage
        finally:
            stage.stop()

    def ask(self, stage: Stage, credentials: Credentials) -> Answer:
        """The app, None, or AuthenticationFailed; any other exception fails the check."""
        call = stage.gateway.plugins.caller("authenticate_app", self.name)
        try:
            answer = call(credentials=credentials)
        except AuthenticationFailed:
            return AuthenticationFailed
        except Exception as error:
            told = credentials.secret[:20]
            name = type(error).__name__
            require(False, f"{name} for a secret like {told!r}: every caller gets a 503", AUTHENTICATION)
        if not (answer is None or isinstance(answer, App)):
            require(False, f"the answer is a {type(answer).__name__}, not an App", AUTHENTICATION)
        return answer  # type: ignore[no-any-return]

    # --- the checks ---------------------------------------------------------------------------

    def test_opens_its_app(self, stage: Stage) -> None:
        """Right credentials give the very app they are for."""
        stage.create_client()
        client = stage.create_client()
        answer = self.ask(stage, self.right(client))
        require(answer == client.app, "right credentials do not give their app", AUTHENTICATION)

    def test_leaves_foreign_credentials_alone(self, stage: Stage) -> None:
        """None for what is not of its kind, so that the next one is asked."""
        client = stage.create_client()
        for secret in self.foreign:
            for app_id in (client.id, "nobody"):
                answer = self.ask(stage, Credentials(app_id, secret))
                require(
                    answer is None, "credentials of another kind are not answered with None", AUTHENTICATION
                )
        require(
            stage.gateway.authenticate(client.id, client.key) == client.app, "the key fails", AUTHENTICATION
        )

    def test_refuses_wrong_credentials(self, stage: Stage) -> None:
        """AuthenticationFailed, not None: nobody else is asked."""
        client = stage.create_client()
        for credentials in self.wrong(client):
            answer = self.ask(stage, credentials)
            require(
                answer is AuthenticationFailed,
                "wrong credentials of its own kind are not answered with AuthenticationFailed",
                AUTHENTICATION,
            )

    def test_opens_no_other_app(self, stage: Stage) -> None:
        """What opens one app does not open another, nor one that is not there."""
        client, other = stage.create_client(), stage.create_client()
        secret = self.right(client).secret
        for app_id in (other.id, "nobody"):
            answer = self.ask(stage, Credentials(app_id, secret))
            require(not isinstance(answer, App), "credentials of one app open another", AUTHENTICATION)

    def test_refuses_a_disabled_app(self, stage: Stage) -> None:
        """At the latest a minute after it was disabled."""
        client = stage.create_client()
        credentials = self.right(client)
        self.ask(stage, credentials)
        stage.gateway.set_enabled(client.id, False)
        self.clock.advance(FORGETTING)
        answer = self.ask(stage, credentials)
        require(not isinstance(answer, App), "an app that is disabled is still let in", AUTHENTICATION)

    def test_tells_nothing_of_why(self, stage: Stage) -> None:
        """The caller cannot tell an app that is not there from a wrong secret."""
        client = stage.create_client()
        call = stage.gateway.plugins.caller("authenticate_app", self.name)
        told = set()
        for credentials in self.wrong(client):
            try:
                call(credentials=credentials)
            except AuthenticationFailed as error:
                told.add((error.code, str(error)))
            except Exception:  # noqa: S112  # another check's business
                continue
        require(
            len(told) <= 1, "refusals differ by reason: the caller learns which apps exist", AUTHENTICATION
        )

    def test_answers_the_same_every_time(self, stage: Stage) -> None:
        """Neither a success nor a refusal changes what comes after it."""
        client = stage.create_client()
        questions = [self.right(client), *self.wrong(client)]
        first = [self.ask(stage, one) for one in questions]
        again = [self.ask(stage, one) for one in reversed(questions)][::-1]
        self.clock.advance(FORGETTING)
        later = [self.ask(stage, one) for one in questions]
        require(first == again == later, "the same credentials get another answer later", AUTHENTICATION)

    def test_takes_any_string(self, stage: Stage) -> None:
        """No id and no secret makes it raise anything else, or opens an app."""
        client = stage.create_client()
        right = self.right(client)
        for text in HOSTILE:
            for credentials in (
                Credentials(client.id, text),
                Credentials(text, right.secret),
                Credentials(client.id, right.secret + text + "x"),
                Credentials(client.id, text + right.secret[:8]),
            ):
                answer = self.ask(stage, credentials)
                require(
                    not isinstance(answer, App), f"a secret like {text[:20]!r} opens an app", AUTHENTICATION
                )

    def test_keeps_secrets(self, stage: Stage) -> None:
        """No log line holds a secret, right or wrong."""
        client = stage.create_client()
        questions = [self.right(client), *self.wrong(client)]
        with capture_logs() as lines:
            for credentials in questions:
                self.ask(stage, credentials)
        for secret in [*(one.secret for one in questions), *self.secrets]:
            require(not secret or secret not in lines.getvalue(), "the log holds a secret", SECRETS)

    def test_lets_others_run(self, stage: Stage) -> None:
        """It is on the path of every request: nothing may hold up the rest of the gateway."""
        client = stage.create_client()
        gap = longest_gap(lambda: [self.ask(stage, self.right(client)) for _ in range(3)])
        require(gap < LONGEST_GAP, f"nothing else could run for {gap:.1f} s", AUTHENTICATION)
