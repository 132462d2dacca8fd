"""The phones behind an emulator: they show notifications, and their receipts are posted to the sender.

Source: OPPO's page on receipts (document 11239).
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any

from onepush_oppo.emulator.state import Arrival, State

MOST = 1000
PATIENCE = 10.0
MERGED = 0.05
"""Seconds for which receipts of one address are gathered."""


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Takes a redirect as the answer."""

    def redirect_request(self, *_: Any) -> None:
        """Nowhere."""


class Phones:
    """Takes notifications; posts receipts from a thread of its own."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._waiting: list[tuple[float, str, Arrival]] = []
        # Neither a proxy of the environment nor a redirect: receipts go where they were asked to.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _StayHere)

    def start(self) -> None:
        """Begin to post receipts."""
        threading.Thread(target=self._run, daemon=True).start()

    def take(self, arrival: Arrival) -> bool:
        """A notification reaches its phone; False when it was there already."""
        with self._state.lock:
            self._state.counts["accepted"] += 1
            if self._state.over_device_quota(arrival.target):
                self._expect("user_daily_limit", arrival, 0.0)
                return True
            news = self._state.arrive(arrival)
            if news and self._state.options.arrive_after is not None:
                self._expect("push_arrive", arrival, self._state.options.arrive_after)
        if news and self._state.options.show:
            title, content = arrival.notification["title"], arrival.notification["content"]
            print(f"OPPO phone …{arrival.target[-4:]} shows: {title} | {content}", flush=True)  # noqa: T201
        return news

    def post(self, event: str, arrivals: Iterable[Arrival]) -> list[int]:
        """Post receipts now, merged by address; the HTTP statuses (0: no answer)."""
        by_address: dict[str, list[dict[str, str]]] = {}
        for arrival in arrivals:
            address = arrival.notification.get("call_back_url")
            if address:
                by_address.setdefault(address, []).append(self._receipt(event, arrival))
        return [
            self._post(address, receipts[start : start + MOST])
            for address, receipts in by_address.items()
            for start in range(0, len(receipts), MOST)
        ]

    def _expect(self, event: str, arrival: Arrival, seconds: float) -> None:
        self._waiting.append((time.monotonic() + seconds, event, arrival))

    def _run(self) -> None:
        while not self._state.stopped.wait(MERGED):
            now = time.monotonic()
            with self._state.lock:
                due = [one for one in self._waiting if one[0] <= now]
                self._waiting = [one for one in self._waiting if one[0] > now]
            for event in {one[1] for one in due}:
                self.post(event, [arrival for _, name, arrival in due if name == event])

    def _receipt(self, event: str, arrival: Arrival) -> dict[str, str]:
        return {
            "messageId": arrival.message_id,
            "appId": arrival.app_key,
            "taskId": arrival.message_id,
            "registrationIds": arrival.target,
            "eventTime": str(int(self._state.now() * 1000)),
            "param": arrival.notification.get("call_back_parameter", ""),
            "eventType": event,
        }

    def _post(self, address: str, receipts: list[dict[str, str]]) -> int:
        request = urllib.request.Request(address, json.dumps(receipts).encode(), method="POST")  # noqa: S310
        request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=PATIENCE) as answer:
                status: int = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
        except (OSError, http.client.HTTPException):
            status = 0
        post: dict[str, Any] = {
            "status": status,
            "receipts": len(receipts),
            "event": receipts[0]["eventType"],
        }
        self._state.posts.append(post)
        return status
