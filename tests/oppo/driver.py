"""What the OPPO tests drive: the emulator as a process of its own, and devices registered with it."""

from __future__ import annotations

import subprocess
import sys
import uuid
from typing import Any

import requests

PATIENCE = 10.0
KEY, SECRET = "test-app-key", "test-master-secret"


class EmulatorProcess:
    """``python -m onepush_oppo.emulator`` and its control calls."""

    def __init__(self, *flags: str) -> None:
        command = [sys.executable, "-m", "onepush_oppo.emulator", "--app", f"{KEY}:{SECRET}", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]
        self.session = requests.Session()
        self.session.trust_env = False

    def ask(self, what: str, **wanted: str) -> Any:
        """GET what the emulator knows."""
        return self._read(self.session.get(f"{self.url}/_emulator/{what}", params=wanted, timeout=PATIENCE))

    def tell(self, what: str, value: Any = None) -> Any:
        """POST what the emulator is to do."""
        return self._read(self.session.post(f"{self.url}/_emulator/{what}", json=value, timeout=PATIENCE))

    def _read(self, answer: requests.Response) -> Any:
        assert answer.status_code == 200, answer.text
        return answer.json()

    def reset(self) -> None:
        """Forget everything, and behave."""
        self.tell("reset")
        self.tell("options", {"latency": 0.0, "arrive_after": None, "daily_quota": 0, "device_quota": 0})
        self.tell(
            "options", {"rate": 0, "clock_offset": 0.0, "body_token_only": False, "strict_batches": False}
        )

    def trouble(self, kind: str, **more: Any) -> None:
        """Let the next push call go wrong."""
        self.tell("troubles", [{"kind": kind, "path": "cast", **more}])

    def arrivals(self, message: str) -> list[dict[str, Any]]:
        """The notifications of a message that phones have."""
        return self.ask("arrivals", message=message)

    def pushes(self, code: int | None = None) -> list[dict[str, Any]]:
        """The calls that push, answered with this code."""
        found = [call for call in self.ask("calls") if "cast" in call["path"]]
        return [call for call in found if code in (None, call["code"])]

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


def new_registration_id(prefix: str = "OPPO_CN_") -> str:
    """A registration id nobody else has."""
    return prefix + uuid.uuid4().hex


def settings_for(emulator: EmulatorProcess, **more: Any) -> dict[str, Any]:
    """The table ``[oppo]`` that points to an emulator."""
    return {"app_key": KEY, "master_secret": SECRET, "base_url": emulator.url, "retry_gap": 0.3, **more}


def register_phone(app: Any, alias: str, **more: Any) -> tuple[str, str]:
    """Register an OPPO phone of this person: (device id, registration id)."""
    token = more.pop("token", None) or new_registration_id()
    return app.register(alias, "ANDROID", token, vendor="OPPO", **more), token


def reasons(app: Any, request: str, device: str) -> list[tuple[str, str | None]]:
    """Outcome and reason of each line that OPPO has in a device's trail of a message."""
    return [
        (line["outcome"], line.get("reason"))
        for delivery in app.deliveries(request)
        if delivery["deviceId"] == device
        for line in delivery["trail"]
        if line["transport"] == "oppo"
    ]
