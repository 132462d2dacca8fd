"""What every transport has to keep, whatever it delivers through."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import gevent
import pytest

from onepush_core.objects import Device, Outcome, Outcomes, Status
from onepush_core.testing.conformance.captured_logs import capture_logs
from onepush_core.testing.conformance.findings import (
    DELIVER,
    OUTCOMES,
    SECRETS,
    SHUTDOWN,
    STARTUP,
    require,
)
from onepush_core.testing.conformance.scene import Report, Scene, longest_gap

SOME = 25
LONGEST_REASON = 80
LONGEST_GAP = 0.5
TRIES = 3
LETTING_GO = 3.0
HOSTILE = (
    "",
    "   ",
    "\u202edesrever\u202c 👩\u200d👩\u200d👧 ﷽ Ωmega",
    "line one\nline two\r\n.\r\nDATA\r\n\tand a tab",
    "'; DROP TABLE device; -- \" \\ %s {0} ${x} </script><b>",
    "\x01\x07\x1b[31m\x7f",
    "\ufeff\ufffe\uffff",
    "字" * 1300,
)


class TransportConformance:
    """Inherit it, say how your transport is made and what a device of yours is, and get the checks.

    ``name``: of the plugin. ``message``: fields of a send by which your transport acts. ``texts``: the
    fields of a send that hold its text. ``waits``: seconds after acceptance at which your transport acts.
    ``secrets``: what of your settings must not be seen. ``deadline``: seconds that one ``deliver`` has here.
    A check that does not apply to yours: set it to None in your class, and say why.
    """

    name: ClassVar[str] = "mine"
    message: ClassVar[Mapping[str, Any]] = {}
    texts: ClassVar[tuple[str, ...]] = ("alert", "title")
    waits: ClassVar[float] = 0.0
    secrets: ClassVar[tuple[str, ...]] = ()
    deadline: ClassVar[float] = 2.0

    # --- yours to write -----------------------------------------------------------------------

    def make_plugin(self) -> Any:
        """A new object of your plugin, as its entry point makes it."""
        raise NotImplementedError("make_plugin: return a new object of your plugin")

    def my_device(self, number: int) -> dict[str, Any]:
        """What a device of yours says at /msgpush/register, for each number another; ``alias`` is added."""
        raise NotImplementedError("my_device: return the registration of a device of yours")

    def other_device(self, number: int) -> dict[str, Any]:
        """The same of a device that is not yours."""
        return {"nativeToken": f"not-mine-{number}"}

    def connect(self, plugin: Any, device: Device) -> None:
        """Called for each device of yours, registered by now: for transports with open connections."""

    # --- the scene ----------------------------------------------------------------------------

    @pytest.fixture
    def scene(self, tmp_path: Path) -> Iterator[Scene]:
        """A started gateway with your transport and a bystander."""
        scene = self.open_scene(tmp_path)
        try:
            yield scene
        finally:
            scene.close()

    def open_scene(self, folder: Path) -> Scene:
        """A gateway on the database in this folder, with a new object of your plugin."""
        delivery = {"deadline": self.deadline}
        return Scene(
            folder,
            self.name,
            self.make_plugin(),
            settings={"delivery": delivery},
            message=self.message,
            waits=self.waits,
        )

    def add_mine(self, scene: Scene, number: int, after: int = 0) -> list[Device]:
        """So many devices of yours, registered and connected, with numbers from ``after`` on."""
        devices = scene.add([self.my_device(after + one) for one in range(number)], "mine")
        for device in devices:
            self.connect(scene.plugin, device)
        return devices

    def add_others(self, scene: Scene, number: int) -> list[Device]:
        """So many that are not yours."""
        return scene.add_others([self.other_device(one) for one in range(number)])

    # --- the checks ---------------------------------------------------------------------------

    def test_takes_none_but_its_own(self, scene: Scene) -> None:
        """Devices that are not yours are left to the others."""
        mine, others = self.add_mine(scene, 3), self.add_others(scene, 3)
        report = scene.send([*mine, *others])
        strangers = {device.key for device in others}
        require(
            not strangers.intersection(report.named),
            "deliver gave an outcome for a device that is not the plugin's",
            DELIVER,
        )
        require(
            strangers.issubset(scene.bystander.reached),
            "a device that is not the plugin's did not reach the next transport",
            DELIVER,
        )

    def test_names_each_of_its_devices_once(self, scene: Scene) -> None:
        """One outcome for each device that is yours, in one round."""
        mine = self.add_mine(scene, SOME)
        named = scene.send(mine).named
        missing = len(mine) - len({device.key for device in mine}.intersection(named))
        require(not missing, f"{missing} of {SOME} devices of the plugin got no outcome", DELIVER)
        require(len(named) == len(set(named)), "a device got more than one outcome in one round", DELIVER)

    def test_names_only_devices_it_was_offered(self, scene: Scene) -> None:
        """Whoever is not in ``devices`` is none of this call's business."""
        mine = self.add_mine(scene, 4)
        for call in scene.send(mine[:2]).calls:
            strangers = [outcome for outcome in call.outcomes if outcome.device not in call.offered]
            require(not strangers, "deliver gave an outcome for a device that was not offered", DELIVER)

    def test_says_nothing_but_outcomes(self, scene: Scene) -> None:
        """What ``deliver`` gives is made of Outcome and Outcomes with sensible fields."""
        report = scene.send(self.add_mine(scene, 3))
        self.require_no_error(report, "when all is well")
        for said in (one for call in report.calls for one in call.said):
            kind = type(said).__name__
            require(isinstance(said, Outcome | Outcomes), f"deliver gave a {kind}, not an Outcome", OUTCOMES)
            require(isinstance(said.status, Status), "an Outcome's status is no Status", OUTCOMES)
            require(
                said.reason is None or (isinstance(said.reason, str) and len(said.reason) <= LONGEST_REASON),
                f"an Outcome's reason is not a text of at most {LONGEST_REASON} characters",
                OUTCOMES,
            )
            retry = said.retry_after
            require(
                retry is None or (isinstance(retry, int | float) and math.isfinite(retry) and retry >= 0),
                "an Outcome's retry_after is no number of seconds",
                OUTCOMES,
            )

    def test_takes_any_text(self, scene: Scene) -> None:
        """Texts of all kinds are delivered, or refused in good order."""
        mine = self.add_mine(scene, 1)
        for field in self.texts:
            for text in HOSTILE:
                report = scene.try_send(mine, **{field: text}, extra={"deep": [{"": text}] * 3})
                if report is None:
                    continue  # the API or the plugin's check_send has said no: in good order
                self.require_no_error(report, f"for {field} = {text[:20]!r}")
                named = report.of(mine[0]) or not text.strip()
                require(named, f"no outcome for {field} = {text[:20]!r}", DELIVER)

    def test_keeps_secrets(self, scene: Scene) -> None:
        """Neither logs nor reasons hold keys, tokens, device ids, numbers or texts."""
        [mine] = self.add_mine(scene, 1)
        text = "for-your-eyes-only"
        with capture_logs() as lines:
            reports = self.provoke(scene, mine, dict.fromkeys(self.texts, text))
        logged = lines.getvalue()
        reasons = " ".join(outcome.reason or "" for one in reports for outcome in one.outcomes)
        private = {"nativeToken": mine.token, "device id": mine.id, "mobile": mine.mobile, "text": text}
        secrets = [("secret of its settings", secret) for secret in self.secrets]
        for what, value in [*private.items(), *secrets]:
            if value:
                require(value not in logged, f"the log holds a {what}", SECRETS)
                require(value not in reasons, f"the reason of an Outcome holds a {what}", SECRETS)

    def test_lets_others_run(self, scene: Scene) -> None:
        """While it works or waits, the rest of the gateway goes on."""
        mine = self.add_mine(scene, 3)
        gaps = []
        for _ in range(TRIES):
            gaps.append(longest_gap(lambda: scene.send(mine)))
            if gaps[-1] < LONGEST_GAP:
                return
        gap = min(gaps)
        require(False, f"nothing else could run for {gap:.1f} s: it waits without gevent", DELIVER)

    def test_lets_go_at_shutdown(self, scene: Scene) -> None:
        """``shutdown`` comes back within three seconds, whatever is under way."""
        mine = self.add_mine(scene, 2)
        self.keep_busy(scene)
        sending = gevent.spawn(scene.send, mine)
        gevent.sleep(0.05)
        stop = scene.gateway.plugins.caller("shutdown", self.name)
        try:
            with gevent.Timeout(LETTING_GO):
                stop()
        except gevent.Timeout:
            require(False, f"shutdown has not come back after {LETTING_GO:g} s", SHUTDOWN)
        finally:
            sending.kill()

    def test_starts_again(self, tmp_path: Path) -> None:
        """After a restart a new object of the plugin goes on with the same devices."""
        for attempt in (1, 2):
            scene = self.open_scene(tmp_path)
            try:
                mine = self.add_mine(scene, 1)
                report = scene.send(mine)
                self.require_no_error(report, f"in process {attempt}")
                require(report.of(mine[0]), f"no outcome in process {attempt}", STARTUP)
            finally:
                scene.close()

    # --- what the checks share ----------------------------------------------------------------

    def provoke(self, scene: Scene, device: Device, texts: Mapping[str, str]) -> list[Report]:
        """Make the transport do all that it might log."""
        return [scene.send([device], **texts)]

    def keep_busy(self, scene: Scene) -> None:
        """Make the next call of the transport take long, where that can be done."""

    def require_no_error(self, report: Report, when: str) -> None:
        """``deliver`` may neither raise nor be cut off."""
        for error in report.errors:
            require(
                not isinstance(error, gevent.Timeout),
                f"deliver had not come back after {self.deadline:g} s {when}: bound the whole call",
                DELIVER,
            )
            require(False, f"deliver raised {type(error).__name__} {when}", DELIVER)
