"""A headless Chromium, told over the DevTools protocol what to do. Needs nothing but its binary."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import time
from contextlib import contextmanager

from websockets.sync.client import connect

PATIENCE = 20.0
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-port=0",
)


def find_chromium():
    """The browser's path, None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def start_browser(folder):
    """A new Chromium that keeps its files in ``folder``, as long as the context lasts."""
    command = [find_chromium(), *OPTIONS, f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_address(folder / "DevToolsActivePort"), max_size=None, compression=None) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _address(file):
    """The DevTools address, which the browser writes into a file once it listens."""
    deadline = time.monotonic() + PATIENCE
    while not (file.exists() and len(lines := file.read_text().splitlines()) == 2):
        assert time.monotonic() < deadline, "the browser did not start"
        time.sleep(0.02)
    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"


class Browser:
    """One page. ``complaints``: what the browser logged as error, of the policy for example."""

    def __init__(self, socket):
        self._socket = socket
        self._numbers = itertools.count(1)
        self._session = None
        self.complaints = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def _call(self, method, **parameters):
        number = next(self._numbers)
        order = {"id": number, "method": method, "params": parameters}
        if self._session:
            order["sessionId"] = self._session
        self._socket.send(json.dumps(order))
        while (answer := json.loads(self._socket.recv(timeout=PATIENCE))).get("id") != number:
            self._note(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _note(self, event):
        entry = event.get("params", {}).get("entry", {})
        if entry.get("level") == "error":
            self.complaints.append(entry["text"])
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(event["params"]["exceptionDetails"]["text"])

    def open(self, address):
        """Go to a page and wait until its script has run."""
        self._call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script):
        """The value of a JavaScript expression in the page."""
        result = self._call("Runtime.evaluate", expression=script, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, script):
        """Wait until the expression is true; its value."""
        deadline = time.monotonic() + PATIENCE
        while not (value := self.run(script)):
            assert time.monotonic() < deadline, f"never true: {script}"
        return value

    def fill(self, name, text):
        """Type into the field of this name."""
        self.run(f"document.querySelector('[name={name}]').value = {json.dumps(text)}")

    def click(self, selector):
        """Click."""
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def text(self, selector):
        """What a reader sees there."""
        return self.run(f"document.querySelector({json.dumps(selector)}).innerText")
