"""What every resolver of an audience has to keep."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence, Sized
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from onepush_core.audiences import Audience
from onepush_core.errors import InvalidAudience
from onepush_core.gateway import Gateway
from onepush_core.objects import App, Device, Message, Selector
from onepush_core.store.audience import Page
from onepush_core.store.transaction import Transaction
from onepush_core.testing.conformance.captured_logs import capture_logs
from onepush_core.testing.conformance.findings import AUDIENCE, SECRETS, require
from onepush_core.testing.conformance.scene import longest_gap
from onepush_core.testing.manual_clock import ManualClock
from onepush_core.testing.rest_client import Client
from onepush_core.testing.stages import Stage
from onepush_core.testing.transports import RecordingTransport

NEWEST = 1 << 62
"""A message key after all others: every device that is registered now was registered before it."""
PAGE = 2
MOST_AT_ONCE = 1_000
KINDS = ("ALL", "ALIAS", "DEVICE", "TAG", "TAG_EXPR", "NO_SUCH_KIND", "", "'; --", "\u202e" * 64)
# What the API refuses before it asks a plugin is left out: NUL, lone surrogates.
HOSTILE = (
    "",
    " ",
    "*",
    "%",
    "' OR 1=1 --",
    '"\\',
    "👩\u200d👩\u200d👧",
    "(" * 5_000,
    "x" * 50_000,
    '{"and":[{}]}',
    "[" * 50_000,
    "null",
    "-1",
    "NaN",
)
LONGEST_GAP = 0.5


class AudienceResolverConformance:
    """Inherit it, say whom a selector of yours means and whom not, and get the checks.

    ``name``: of the plugin. ``selector``: one of yours. ``own_kinds``: all kinds that are yours, when
    there are more than the selector's. ``invalid``: selectors of yours that mean nothing.
    A check that does not apply to yours: set it to None in your class, and say why.
    """

    name: ClassVar[str] = "mine"
    selector: ClassVar[Selector]
    own_kinds: ClassVar[tuple[str, ...]] = ()
    invalid: ClassVar[Sequence[Selector]] = ()

    # --- yours to write -----------------------------------------------------------------------

    def make_plugin(self) -> Any:
        """A new object of your plugin, as its entry point makes it; None when it is there anyhow."""
        raise NotImplementedError("make_plugin: return a new object of your plugin")

    def meant(self, number: int) -> dict[str, Any]:
        """What a device says at /msgpush/register that ``selector`` means, for each number another."""
        raise NotImplementedError("meant: return the registration of a device that the selector means")

    def not_meant(self, number: int) -> dict[str, Any]:
        """The same of a device that it does not mean."""
        raise NotImplementedError("not_meant: return the registration of one that it does not mean")

    def enrol(self, gateway: Gateway, device: Device) -> None:
        """Called for each device that is meant, registered by now: for what your plugin keeps of it."""

    def selector_for(self, devices: Sequence[Device]) -> Selector:
        """The selector that means exactly these; override it where that takes their ids."""
        return self.selector

    # --- the scene ----------------------------------------------------------------------------

    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Stage]:
        """A started gateway with your plugin and a transport that takes everybody."""
        stage = self.open_stage(tmp_path)
        try:
            yield stage
        finally:
            stage.stop()

    def open_stage(self, folder: Path) -> Stage:
        """A gateway on the database in this folder, with a new object of your plugin."""
        self.recorder = RecordingTransport()
        plugin = self.make_plugin()
        plugins = {"recorder": self.recorder, **({} if plugin is None else {self.name: plugin})}
        return Stage(folder, plugins, clock=ManualClock())

    def add_meant(self, client: Client, number: int) -> list[Device]:
        """So many devices that are meant."""
        return self._enrol_all(
            client, [client.device(client.register(**self.meant(one))) for one in range(number)]
        )

    def _enrol_all(self, client: Client, devices: list[Device]) -> list[Device]:
        for device in devices:
            self.enrol(client.gateway, device)
        return devices

    def add_not_meant(self, client: Client, number: int) -> list[Device]:
        """So many that are not."""
        return [client.device(client.register(**self.not_meant(one))) for one in range(number)]

    def resolve(self, stage: Stage, app: App, selector: Selector) -> Any:
        """What the plugin answers. Raises what it raises."""
        return stage.gateway.plugins.caller("resolve_audience", self.name)(app=app, selector=selector)

    # --- the checks ---------------------------------------------------------------------------

    def test_finds_whom_it_means(self, stage: Stage) -> None:
        """Those, all of them, and nobody else of the app."""
        client = stage.create_client()
        meant, others = self.add_meant(client, 5), self.add_not_meant(client, 3)
        source = self.resolve(stage, client.app, self.selector_for(meant))
        require(source is not None, f"None for its own kind {self.selector_for(meant).kind!r}", AUDIENCE)
        found = read_all(stage.gateway, client.app, source)
        strangers = {device.key for device in others}.intersection(found)
        require(not strangers, "a device is found that the selector does not mean", AUDIENCE)
        missing = {device.key for device in meant}.difference(found)
        require(not missing, f"{len(missing)} of 5 devices that the selector means are not found", AUDIENCE)

    def test_finds_nobody_of_another_app(self, stage: Stage) -> None:
        """The same registrations in another app are none of this one's business."""
        mine, theirs = stage.create_client(), stage.create_client()
        devices = self.add_meant(mine, 2)
        others = self.add_meant(theirs, 2)
        source = self.resolve(stage, mine.app, self.selector_for([*devices, *others]))
        found = read_all(stage.gateway, theirs.app, source)
        require(not found, "devices of another app are among those found", AUDIENCE)

    def test_message_reaches_them(self, stage: Stage) -> None:
        """A send over REST goes to those meant, each once."""
        client = stage.create_client()
        meant = self.add_meant(client, 3)
        self.add_not_meant(client, 2)
        selector = self.selector_for(meant)
        [first, *more] = selector.values
        audiences = json.loads(first) if first.startswith("{") else [first, *more]
        client.send(audienceType=selector.kind, audiences=audiences)
        reached = sorted(self.recorder.reached)
        require(
            reached == sorted(device.key for device in meant),
            f"a send for 3 devices was offered {len(reached)} times, not once to each of them",
            AUDIENCE,
        )

    def test_leaves_other_kinds_alone(self, stage: Stage) -> None:
        """None for every kind that is not its own, whatever the values."""
        app, own = stage.create_client().app, self.own_kinds or (self.selector.kind,)
        for kind in (one for one in KINDS if one not in own):
            for values in (("x",), (), (HOSTILE[4],)):
                try:
                    answer = self.resolve(stage, app, Selector(kind, values))
                except Exception as error:
                    require(False, f"{type(error).__name__} for the kind {kind[:20]!r}, not None", AUDIENCE)
                require(
                    answer is None, f"an answer for the kind {kind[:20]!r}, which is not its own", AUDIENCE
                )

    def test_refuses_bad_input(self, stage: Stage) -> None:
        """InvalidAudience, and no other exception, for each selector in ``invalid``."""
        app = stage.create_client().app
        require(self.invalid, "the class names no selector in ``invalid``", AUDIENCE)
        for selector in self.invalid:
            told = str(selector.values)[:60]
            try:
                self.resolve(stage, app, selector)
            except InvalidAudience:
                continue
            except Exception as error:
                require(False, f"{type(error).__name__}, not InvalidAudience, for {told}", AUDIENCE)
            require(False, f"no InvalidAudience for {told}", AUDIENCE)

    def test_takes_any_string(self, stage: Stage) -> None:
        """A value of any kind is refused with InvalidAudience or finds nobody; nothing else happens."""
        client = stage.create_client()
        meant = {device.key for device in self.add_meant(client, 2)}
        for kind in self.own_kinds or (self.selector.kind,):
            for values in [*((one,) for one in HOSTILE), HOSTILE, ("x",) * MOST_AT_ONCE]:
                self._require_harmless(stage, client.app, Selector(kind, values), meant)

    def _require_harmless(self, stage: Stage, app: App, selector: Selector, meant: set[int]) -> None:
        told = f"{selector.values[0][:20]!r}"
        try:
            source = self.resolve(stage, app, selector)
            found = read_all(stage.gateway, app, () if source is None else source)
        except InvalidAudience:
            return
        except Exception as error:
            require(False, f"{type(error).__name__} for the value {told}", AUDIENCE)
        everybody = selector.kind == "ALL"
        require(everybody or not meant.intersection(found), f"the value {told} finds devices", AUDIENCE)

    def test_is_lazy(self, stage: Stage) -> None:
        """A large audience is not in memory as a whole, and resolving it holds up nobody."""
        client = stage.create_client()
        bodies = map(self.meant, range(MOST_AT_ONCE + 1))
        meant = self._enrol_all(client, client.register_many(bodies))
        answers: list[Any] = []
        selector = self.selector_for(meant)
        gap = longest_gap(lambda: answers.append(self.resolve(stage, client.app, selector)))
        [source] = answers
        require(
            (isinstance(source, tuple) and hasattr(source, "statement"))
            or not isinstance(source, Sized)
            or hasattr(source, "sql")
            or len(source) <= MOST_AT_ONCE,
            "all devices are read into one list: return a query, or yield them one by one",
            AUDIENCE,
        )
        require(gap < LONGEST_GAP, f"nothing else could run for {gap:.1f} s while it resolved", AUDIENCE)

    def test_answers_again_after_restart(self, tmp_path: Path) -> None:
        """What was accepted before a crash is resolved again afterwards, to the same devices."""
        stage = self.open_stage(tmp_path)
        try:
            client = stage.create_client()
            meant, app = self.add_meant(client, 2), client.app
        finally:
            stage.stop()
        stage = self.open_stage(tmp_path)
        try:
            source = self.resolve(stage, app, self.selector_for(meant))
            found = read_all(stage.gateway, app, () if source is None else source)
        finally:
            stage.stop()
        require(
            set(found) == {device.key for device in meant},
            "after a restart the same selector finds other devices: it is resolved again after a crash",
            AUDIENCE,
        )

    def test_keeps_secrets(self, stage: Stage) -> None:
        """No log line holds device ids or tokens."""
        client = stage.create_client()
        meant = self.add_meant(client, 1)
        selector = self.selector_for(meant)
        with capture_logs() as lines:
            for values in (selector.values, *((one,) for one in HOSTILE)):
                try:
                    source = self.resolve(stage, client.app, Selector(selector.kind, values))
                    read_all(stage.gateway, client.app, () if source is None else source)
                except Exception:  # noqa: S112  # another check's business
                    continue
        for what, value in (("device id", meant[0].id), ("nativeToken", meant[0].token)):
            require(value not in lines.getvalue(), f"the log holds a {what}", SECRETS)


def _page(audience: Audience, after: int, transaction: Transaction) -> Page:
    return audience.page(transaction, after, PAGE)


def read_all(gateway: Gateway, app: App, source: Any) -> list[int]:
    """Keys of this app's devices in an answer, page by page as the dispatcher reads it."""
    message = Message(key=NEWEST, id="", app=app, alert="", accepted_at=0, expires_at=0)
    audience, found = Audience(message, source), list[int]()
    after: int | None = 0
    while after is not None:
        audience.fetch(after, PAGE)
        page = gateway.read(partial(_page, audience, after))
        found, after = found + page.keys, page.last
    return found
