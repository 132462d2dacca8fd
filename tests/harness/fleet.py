"""Fleet: a swarm of devices and senders before several gateways, and what the auditor needs of it."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import gevent

from harness.app import AppClient, new_token
from harness.auditor import Delivery, Frame, History, Send, Totals
from harness.databases import look_into
from harness.process import GatewayProcess
from harness.waiting import eventually

PROGRAM = Path(__file__).with_name("swarm.py")
AT_A_TIME = 8
STATES = ("pending", "confirmed", "handedOff", "expired", "cancelled", "dropped")
MESSAGES = (
    "SELECT message.id, total, confirmed, handed_off, expired, cancelled, dropped FROM message"
    " JOIN app ON app.key = message.app WHERE app.id = '{app}'"
)
DELIVERIES = (
    "SELECT m.id, d.id, x.state FROM delivery x JOIN message m ON m.key = x.message"
    " JOIN device d ON d.key = x.device JOIN app a ON a.key = m.app WHERE a.id = '{app}'"
)
PENDING = "SELECT count(*) FROM message m JOIN app a ON a.key = m.app WHERE a.id = '{app}' AND m.state < 2"


STUCK = (
    "SELECT m.id, m.state, m.cursor, x.device, x.state, x.attempts, x.due, x.holder, p.worker, l.worker,"
    " (SELECT string_agg(key::text, ' ') FROM worker), extract(epoch FROM clock_timestamp()) * 1000"
    " FROM message m JOIN app a ON a.key = m.app LEFT JOIN lane l ON l.app = a.key"
    " LEFT JOIN delivery x ON x.message = m.key AND x.state = 0 LEFT JOIN presence p ON p.device = x.device"
    " WHERE a.id = '{app}' AND m.state < 2 ORDER BY m.key LIMIT 20"
)
"""What is known of messages that are not finished: for whoever wonders why."""


class Goodbye(NamedTuple):
    """A close frame that a device got; ``current``: on its newest socket."""

    device: str
    code: int | None
    at: float
    host: int
    current: bool


class Outcome(NamedTuple):
    """What came of one request: a status, ``refused``, ``reset`` (never read), ``broken`` or ``timeout``."""

    what: int | str
    host: int
    at: float
    key: str


class Seen(NamedTuple):
    """What the swarm saw."""

    history: History
    goodbyes: list[Goodbye]
    outcomes: list[Outcome]
    failures: list[list[Any]]
    opened: list[list[Any]]
    moves: int

    def outcome_counts(self, host: int | None = None) -> Counter[int | str]:
        """How many requests ended how, at one host or all."""
        return Counter(one.what for one in self.outcomes if host in (None, one.host))

    def repeats(self) -> int:
        """Frames that a device had got before."""
        times = Counter((frame.device, frame.message_id) for frame in self.history.frames)
        return sum(times.values()) - len(times)

    def summary(self) -> str:
        """In one line, for whoever looks at a long run."""
        sends = self.history.sends
        return (
            f"{len(sends)} sends, {sum(1 for one in sends if one.request_id)} acknowledged,"
            f" {len(self.history.frames)} frames, {self.repeats()} repeats, {self.moves} moves,"
            f" answers {dict(self.outcome_counts())}, goodbyes {dict(Counter(g.code for g in self.goodbyes))}"
        )


class Fleet:
    """Devices in groups that share an alias, spread over the hosts; senders that send to a group each time.

    ``plan``: see ``Swarm``.
    """

    def __init__(
        self, hosts: Sequence[GatewayProcess], groups: int = 20, in_group: int = 2, **plan: Any
    ) -> None:
        self.hosts = hosts
        self.app: AppClient = hosts[0].create_app()
        self.faults: list[tuple[float, float]] = []
        self._database = hosts[0].database
        aliases = [f"group{number // in_group}" for number in range(groups * in_group)]
        devices = [
            [device, alias, number % len(hosts)]
            for number, (device, alias) in enumerate(zip(self._register(aliases), aliases, strict=True))
        ]
        self._groups: dict[str, frozenset[str]] = {
            alias: frozenset(device for device, its, _ in devices if its == alias) for alias in set(aliases)
        }
        self.size = len(devices)
        addresses = [[host.host, host.port] for host in hosts]
        plan = {"hosts": addresses, "app": [self.app.id, self.app.key], "devices": devices, **plan}
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._say(json.dumps(plan))

    def _register(self, aliases: Sequence[str]) -> list[str]:
        found: dict[int, str] = {}
        shares = [range(len(aliases))[start::AT_A_TIME] for start in range(AT_A_TIME)]
        gevent.joinall([gevent.spawn(self._register_share, aliases, share, found) for share in shares])
        return [found[number] for number in range(len(aliases))]

    def _register_share(self, aliases: Sequence[str], share: Sequence[int], found: dict[int, str]) -> None:
        session = http.client.HTTPConnection(self.hosts[0].host, self.hosts[0].port, timeout=30)
        for number in share:
            body = {
                "appId": self.app.id,
                "alias": aliases[number],
                "platform": "PC",
                "nativeToken": new_token(),
            }
            headers = {"Content-Type": "application/json"}
            session.request("POST", "/msgpush/register", json.dumps(body), headers)
            found[number] = json.loads(session.getresponse().read())["id"]
        session.close()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _ask(self, line: str) -> Any:
        assert self._process.stdout is not None
        self._say(line)
        return json.loads(self._process.stdout.readline())

    def connected(self) -> int:
        """How many devices have an open socket."""
        number: int = self._ask("open")
        return number

    def await_connected(self, patience: float = 30.0) -> None:
        """Wait until all have."""
        eventually(lambda: self.connected() == self.size, patience, pause=0.1)

    def send(self, rate: float) -> None:
        """Send so many a second from now on."""
        self._say(f"rate {rate}")

    def move(self, rate: float) -> None:
        """Have so many devices a second change their host from now on."""
        self._say(f"moves {rate}")

    @contextmanager
    def fault(self, heals_in: float = 0.0) -> Iterator[None]:
        """Something is broken on purpose within, and for some seconds afterwards."""
        began = time.monotonic()
        yield
        self.faults.append((began, time.monotonic() + heals_in))

    def finish(self, patience: float = 30.0) -> Seen:
        """Send no more, wait until all is answered and delivered; what was seen."""
        self.send(0)
        self.move(0)
        try:
            self.await_connected(patience)
            eventually(lambda: self._ask("busy") == 0, patience + 40, pause=0.1)
            eventually(lambda: not self.pending(), patience, pause=0.2)
        except AssertionError as error:
            stuck = look_into(self._database, STUCK.format(app=self.app.id))
            logs = "\n".join(host.log_text() for host in self.hosts)
            raise AssertionError(f"{error}\n" + "\n".join(map(str, stuck)) + f"\n{logs}") from None
        finally:
            seen = self._ask("end")
            self._process.wait(10)
        return self._seen(seen)

    def pending(self) -> int:
        """Messages that are not finished."""
        number: int = look_into(self._database, PENDING.format(app=self.app.id))[0][0]
        return number

    def stop(self) -> None:
        """End it, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _seen(self, seen: dict[str, Any]) -> Seen:
        app, now = self.app.id, time.monotonic()
        sends = [
            Send(key, app, self._groups[alias], began, ended or now, request, refused, once=not confirm)
            for key, alias, confirm, began, ended, request, refused, _ in seen["sends"]
        ]
        frames = [Frame(*one[:7]) for one in seen["frames"]]
        rows = look_into(self._database, DELIVERIES.format(app=app))
        history = History(
            {device: app for devices in self._groups.values() for device in devices},
            sends,
            frames,
            [],
            [Delivery(message, device, STATES[state]) for message, device, state in rows],
            [Totals(id_, total, _counts(ended, total)) for id_, total, *ended in self._totals()],
            faulted=bool(self.faults),
            faults=tuple(self.faults),
        )
        goodbyes = [Goodbye(*one) for one in seen["closes"]]
        outcomes = [Outcome(*one) for one in seen["outcomes"]]
        return Seen(history, goodbyes, outcomes, seen["failures"], seen["opened"], seen["moves"])

    def _totals(self) -> list[tuple[Any, ...]]:
        return look_into(self._database, MESSAGES.format(app=self.app.id))


def _counts(ended: Sequence[int], total: int) -> dict[str, int]:
    """The counts of a message by state, what is pending among them."""
    return dict(zip(STATES, (total - sum(ended), *ended), strict=True))
