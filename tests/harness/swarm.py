"""Swarm: devices and business systems in a process of their own, light enough not to be what is measured.

``python swarm.py`` reads a plan (JSON) on its first line, then commands, and writes what it saw as one line
at the end. One loop over one epoll serves all sockets; times are ``time.monotonic``. It shares no code with
the gateway.
"""

from __future__ import annotations

import heapq
import json
import os
import random
import resource
import select
import socket
import struct
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable
from itertools import count
from typing import Any

HANDSHAKE = (
    "GET /msgpush.ws?deviceId={device} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
POST = (
    "POST /msgpush/send HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{more}"
    "Content-Length: {length}\r\n\r\n"
)
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
READ, WRITE = select.EPOLLIN, select.EPOLLOUT
CHUNK = 262_144
HANDSHAKE_PATIENCE = 15.0
ANSWER_PATIENCE = 40.0
KEPT = 3.0
"""Seconds for which a connection is used again: less than the gateway keeps it, so that both do not cross."""
AGAIN = (0.05, 0.4)
"""Seconds until a device that lost its socket connects again."""


def client_frame(opcode: int, payload: bytes) -> bytes:
    """A frame as clients send it, masked with zeros."""
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + b"\0\0\0\0" + payload


class Peer:
    """One TCP connection of ours. ``on_data``, ``on_end`` are called by the loop."""

    def __init__(self, swarm: Swarm, host: int) -> None:
        self.swarm = swarm
        self.host = host
        self.opened = time.monotonic()
        self.buffer = b""
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(tuple(swarm.hosts[host]))
        self.connecting = True
        self.reset = False
        self.over = False
        swarm.watch(self, READ | WRITE)

    def on_ready(self, events: int) -> None:
        """Bytes, room, or the end."""
        if self.connecting:
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self.finish(refused=True)
                return
            self.connecting = False
            self.swarm.watch(self, READ)
            self.on_open()
            return
        self.receive()

    def receive(self) -> None:
        """Take in what is there."""
        while not self.over:
            try:
                data = self.socket.recv(CHUNK)
            except BlockingIOError:
                return
            except OSError:
                self.reset = True
                data = b""
            if not data:
                self.finish(refused=False)
                return
            self.buffer += data
            self.on_data()

    def send(self, data: bytes) -> None:
        """Write; what we send is small."""
        try:
            self.socket.send(data)
        except OSError:
            self.reset = True
            self.finish(refused=False)

    def finish(self, refused: bool) -> None:
        """The connection is over."""
        if self.over:
            return
        self.over = True
        self.swarm.forget(self)
        self.on_end(refused)

    def on_open(self) -> None:
        """It is connected."""

    def on_data(self) -> None:
        """There is something in ``buffer``."""

    def on_end(self, refused: bool) -> None:
        """It is over."""


class Socket(Peer):
    """One WebSocket of a device."""

    def __init__(self, swarm: Swarm, device: Device, host: int) -> None:
        self.device = device
        self.status = 0
        self.code: int | None = None
        super().__init__(swarm, host)
        swarm.later(HANDSHAKE_PATIENCE, self._lose_patience)

    def _lose_patience(self) -> None:
        if not self.status:
            self.finish(refused=False)

    def on_open(self) -> None:
        """Shake hands."""
        host = "{}:{}".format(*self.swarm.hosts[self.host])
        self.send(HANDSHAKE.format(device=self.device.id, host=host).encode())

    def on_data(self) -> None:
        """Frames, after the handshake. What came on older sockets of the device came before."""
        self.device.drain_older(self)
        if not self.status and not self._take_answer():
            return
        while (frame := self._next_frame()) is not None:
            self._take(*frame)

    def _take_answer(self) -> bool:
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        self.status = int(head.split(b" ", 2)[1])
        self.buffer = rest
        if self.status != 101:
            self.finish(refused=False)
            return False
        self.device.on_connected(self)
        return True

    def _next_frame(self) -> tuple[int, bytes] | None:
        data = self.buffer
        if len(data) < 2:
            return None
        opcode, length, start = data[0] & 0x0F, data[1] & 0x7F, 2
        if length == 126:
            if len(data) < 4:
                return None
            length, start = struct.unpack("!H", data[2:4])[0], 4
        elif length == 127:
            if len(data) < 10:
                return None
            length, start = struct.unpack("!Q", data[2:10])[0], 10
        if len(data) < start + length:
            return None
        self.buffer = data[start + length :]
        return opcode, data[start : start + length]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            self._take_message(payload)
        elif opcode == PING:
            self.send(client_frame(PONG, payload))
        elif opcode == CLOSE:
            self.code = struct.unpack("!H", payload[:2])[0] if payload else None
            self.send(client_frame(CLOSE, payload[:2]))
            self.device.on_goodbye(self)

    def _take_message(self, payload: bytes) -> None:
        message = json.loads(payload)
        self.swarm.frames.append(
            [
                self.device.id, message["id"], message["appId"], message.get("extra"),
                json.dumps(message, sort_keys=True), time.monotonic(), self.opened, self.host,
            ]
        )  # fmt: skip
        if message["needConfirm"]:
            self.send(client_frame(TEXT, b"CFM:" + message["id"].encode()))

    def leave(self) -> None:
        """Hang up politely; what is on its way is still taken."""
        self.send(client_frame(CLOSE, struct.pack("!H", 1000)))

    def on_end(self, refused: bool) -> None:
        """Tell the device."""
        self.device.on_lost(self, refused)


class Device:
    """A device that stays connected somewhere. It goes to the next host when one refuses it."""

    def __init__(self, swarm: Swarm, id_: str, alias: str, home: int) -> None:
        self.swarm = swarm
        self.id = id_
        self.alias = alias
        self.host = home
        self.sockets: list[Socket] = []
        self.current: Socket | None = None
        self.waiting = False

    def connect(self) -> None:
        """Open a socket at our host of the moment."""
        self.waiting = False
        if self.swarm.over or (self.current and not self.current.over):
            return
        self._open()

    def _open(self) -> None:
        self.current = Socket(self.swarm, self, self.host)
        self.sockets.append(self.current)

    def move(self, first_leave: bool) -> None:
        """Go to another host: hang up first, or connect there first."""
        self.host = (self.host + 1) % len(self.swarm.hosts)
        if self.current is None or self.current.over or not self.current.status:
            return
        self.swarm.moves += 1
        if first_leave:
            self.current.leave()
        else:
            self._open()

    def drain_older(self, newer: Socket) -> None:
        """Read what has come on the sockets before this one."""
        for one in list(self.sockets):
            if one is newer:
                return
            if not one.connecting:
                one.receive()

    def on_connected(self, one: Socket) -> None:
        """It is open."""
        self.swarm.opened.append([self.id, time.monotonic(), one.host])

    def on_goodbye(self, one: Socket) -> None:
        """The gateway says goodbye."""
        self.swarm.closes.append([self.id, one.code, time.monotonic(), one.host, one is self.current])

    def on_lost(self, one: Socket, refused: bool) -> None:
        """A socket is over; the current one is replaced."""
        if one in self.sockets:
            self.sockets.remove(one)
        if one is not self.current:
            return
        if refused or one.status not in (0, 101):
            self.swarm.failures.append([self.id, one.status, time.monotonic(), one.host])
            self.host = (self.host + 1) % len(self.swarm.hosts)
        elif one.code == 1012 and len(self.swarm.hosts) > 1:
            self.host = (self.host + 1) % len(self.swarm.hosts)
        if not self.waiting:
            self.waiting = True
            self.swarm.later(random.uniform(*AGAIN), self.connect)


class Line(Peer):
    """One HTTP connection that is kept, with one request at a time."""

    def __init__(self, swarm: Swarm, host: int) -> None:
        self.send_: list[Any] | None = None
        self.request = b""
        self.turn = 0
        self.answered = 0.0
        super().__init__(swarm, host)

    def ask(self, send: list[Any], request: bytes) -> None:
        """Make a request; the answer goes to ``send``."""
        self.send_, self.request = send, request
        self.turn += 1
        self.swarm.later(ANSWER_PATIENCE, self._lose_patience, self.turn)
        if not self.connecting:
            self.send(request)

    def _lose_patience(self, turn: int) -> None:
        if self.turn == turn and self.send_ is not None:
            self.answer("timeout", None)
            self.finish(refused=False)

    def on_open(self) -> None:
        """Now the request can go."""
        if self.send_ is not None:
            self.send(self.request)

    def on_data(self) -> None:
        """An answer, when it is complete."""
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields.get(b"content-length", b"0"))
        if len(body) < length:
            return
        self.buffer = body[length:]
        status = int(head.split(b" ", 2)[1])
        self.answer(status, json.loads(body[:length] or b"null"))
        if fields.get(b"connection") == b"close":
            self.finish(refused=False)
        else:
            self.swarm.idle[self.host].append(self)

    def answer(self, outcome: int | str, body: Any) -> None:
        """Note what came of the request."""
        self.answered = time.monotonic()
        send, self.send_ = self.send_, None
        if send is not None:
            request_id = body.get("requestId") if isinstance(body, dict) else None
            self.swarm.on_answer(send, outcome, request_id, self.host)

    def on_end(self, refused: bool) -> None:
        """A request without an answer has failed. Reset: nobody has read it, nobody ever will."""
        if self in self.swarm.idle[self.host]:
            self.swarm.idle[self.host].remove(self)
        self.answer("refused" if refused else "reset" if self.reset else "broken", None)


class Swarm:
    """Everything, and the loop."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.hosts: list[list[Any]] = plan["hosts"]
        self.app, self.key = plan["app"]
        self.name: str = plan.get("name", "s")
        self.rate = self.move_rate = 0.0
        self.confirm_share: float = plan.get("confirm", 0.5)
        self.insist_share: float = plan.get("insist", 0.0)
        self.epoll = select.epoll()
        self.peers: dict[int, Peer] = {}
        self.timers: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self.numbers = count()
        self.send_numbers = count()
        self.frames: list[list[Any]] = []
        self.closes: list[list[Any]] = []
        self.opened: list[list[Any]] = []
        self.failures: list[list[Any]] = []
        self.sends: list[list[Any]] = []
        self.outcomes: list[list[Any]] = []
        self.moves = 0
        self.over = False
        self.idle: dict[int, deque[Line]] = defaultdict(deque)
        self.devices = [Device(self, *one) for one in plan["devices"]]
        self.by_alias: dict[str, list[str]] = defaultdict(list)
        for device in self.devices:
            self.by_alias[device.alias].append(device.id)
        self.aliases = sorted(self.by_alias)

    # --- the loop ---------------------------------------------------------------------------------

    def watch(self, peer: Peer, events: int) -> None:
        """Call the peer when this happens."""
        number = peer.socket.fileno()
        if number in self.peers:
            self.epoll.modify(number, events)
        else:
            self.epoll.register(number, events)
        self.peers[number] = peer

    def forget(self, peer: Peer) -> None:
        """It is over."""
        number = peer.socket.fileno()
        self.epoll.unregister(number)
        del self.peers[number]
        peer.socket.close()

    def later(self, seconds: float, what: Callable[..., object], *arguments: Any) -> None:
        """Call this in so many seconds."""
        heapq.heappush(self.timers, (time.monotonic() + seconds, next(self.numbers), what, arguments))

    def run(self) -> None:
        """Until ``over``, and all is answered."""
        os.set_blocking(0, False)
        self.epoll.register(0, READ)
        for index, device in enumerate(self.devices):
            self.later(index * 0.0005, device.connect)
        commands = b""
        while not self.over:
            pause = self.timers[0][0] - time.monotonic() if self.timers else 1.0
            for number, events in self.epoll.poll(max(0.0, min(pause, 1.0))):
                if number == 0:
                    commands += os.read(0, 4096) or b"end\n"
                elif (peer := self.peers.get(number)) is not None:
                    peer.on_ready(events)
            while self.timers and self.timers[0][0] <= time.monotonic():
                _, _, what, arguments = heapq.heappop(self.timers)
                what(*arguments)
            while b"\n" in commands:
                line, _, commands = commands.partition(b"\n")
                self.obey(line.decode().split())

    def obey(self, words: list[str]) -> None:
        """``rate N``, ``moves N``: so many a second from now on. ``open``: how many are connected.

        ``busy``: how many requests are unanswered. ``end``.
        """
        match words:
            case ["rate", number]:
                self.rate, before = float(number), self.rate
                if not before and self.rate:
                    self.tick_send(time.monotonic())
            case ["moves", number]:
                self.move_rate, before = float(number), self.move_rate
                if not before and self.move_rate:
                    self.tick_move(time.monotonic())
            case ["open"]:
                tell(sum(1 for one in self.devices if one.current and one.current.status == 101))
            case ["busy"]:
                tell(sum(1 for one in self.sends if one[4] is None))
            case ["end"]:
                self.over = True

    # --- work -------------------------------------------------------------------------------------

    def tick_send(self, due: float) -> None:
        """Send one, and set the time of the next."""
        if not self.rate:
            return
        number = next(self.send_numbers)
        alias = random.choice(self.aliases)
        insists = random.random() < self.insist_share
        send = [
            f"{self.name}-{number}", alias, random.random() < self.confirm_share, time.monotonic(), None,
            None, False, insists,
        ]  # fmt: skip
        self.sends.append(send)
        self.ask(send, number % len(self.hosts))
        next_due = due + 1 / self.rate
        self.later(max(0.0, next_due - time.monotonic()), self.tick_send, next_due)

    def ask(self, send: list[Any], host: int) -> None:
        """Make the request at this host, on a connection that is free."""
        key, alias, confirm, *_ = send
        body = json.dumps(
            {
                "appId": self.app, "appKey": self.key, "platform": "ALL", "audienceType": "ALIAS",
                "audiences": [alias], "alert": "hello", "extra": key, "needConfirm": confirm,
            }
        ).encode()  # fmt: skip
        more = f"Idempotency-Key: {key}\r\n" if send[7] else ""
        where = "{}:{}".format(*self.hosts[host])
        request = POST.format(host=where, more=more, length=len(body)).encode() + body
        self.kept_line(host).ask(send, request)

    def kept_line(self, host: int) -> Line:
        """A connection to this host that is free, or a new one."""
        while self.idle[host]:
            line = self.idle[host].pop()
            if time.monotonic() < line.answered + KEPT:
                return line
            line.finish(refused=False)
        return Line(self, host)

    def on_answer(self, send: list[Any], outcome: int | str, request_id: str | None, host: int) -> None:
        """An answer, or none. Who was refused goes elsewhere; who insists tries again with its key."""
        self.outcomes.append([outcome, host, time.monotonic(), send[0]])
        elsewhere = (host + 1) % len(self.hosts)
        if outcome == "refused" and not self.over:
            self.later(0.02, self.ask, send, elsewhere)
            return
        unknown = not isinstance(outcome, int) or outcome >= 500 or outcome == 409
        if unknown and send[7] and not self.over:
            self.later(0.1, self.ask, send, elsewhere)
            return
        send[4] = time.monotonic()
        send[5] = request_id
        send[6] = isinstance(outcome, int) and 400 <= outcome < 500

    def tick_move(self, due: float) -> None:
        """Have one device move, and set the time of the next."""
        if not self.move_rate:
            return
        random.choice(self.devices).move(first_leave=random.random() < 0.5)
        next_due = due + 1 / self.move_rate
        self.later(max(0.0, next_due - time.monotonic()), self.tick_move, next_due)


def tell(what: Any) -> None:
    """One line of JSON for whoever started us."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do as the plan says; at the end write down what was seen."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    swarm = Swarm(json.loads(sys.stdin.buffer.raw.readline()))  # type: ignore[attr-defined]
    swarm.run()
    names = ("sends", "frames", "closes", "opened", "failures", "outcomes")
    tell({**{name: getattr(swarm, name) for name in names}, "moves": swarm.moves})


if __name__ == "__main__":
    main()
