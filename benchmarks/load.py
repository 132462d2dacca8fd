"""The load: client.c as devices, callers.c as business systems. Both run on the client's core."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from common import CLIENT_CPU, HERE, Gateway, cpu_of, pinned


@cache
def build(name: str) -> str:
    """Compile one of our C programs; where it is."""
    target = Path(tempfile.gettempdir()) / f"onepush-bench-{os.getuid()}-{name}"
    subprocess.run(["cc", "-O2", "-o", str(target), str(HERE / f"{name}.c")], check=True)
    return str(target)


class Lines:
    """A process that answers lines with lines."""

    def __init__(self, *command: str, cpu: int) -> None:
        self._name = command[0]
        self.process = subprocess.Popen(
            pinned(cpu, *command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def write(self, line: str) -> None:
        """Tell it something."""
        _pipe(self.process.stdin).write(line + "\n")

    def read(self) -> list[str]:
        """The words of its next line."""
        line = _pipe(self.process.stdout).readline()
        if not line:
            raise SystemExit(f"{self._name} has ended")
        return line.split()

    def ask(self, line: str) -> list[str]:
        """Tell it something; the words of its answer."""
        self.write(line)
        return self.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


class Arrivals(NamedTuple):
    """When the connections had what they were to get: seconds since ``expect``."""

    first: float
    middle: float
    p99: float
    last: float


class Devices(Lines):
    """Connected devices."""

    def __init__(self) -> None:
        super().__init__(build("client"), cpu=CLIENT_CPU)
        self.count = 0

    def connect(self, one: Gateway, ids: Sequence[str]) -> float:
        """Open a WebSocket for each id; seconds it took."""
        names = one.folder / "ids"
        names.write_text("\n".join(ids))
        return self._opened(self.ask(f"connect {one.port} {names}"), len(ids))

    def connect_plain(self, port: int, count: int) -> float:
        """Open plain TCP connections; seconds it took."""
        return self._opened(self.ask(f"raw {port} {count}"), count)

    def _opened(self, answer: list[str], wanted: int) -> float:
        self.count = int(answer[1])
        if self.count != wanted:
            raise SystemExit(f"only {self.count} of {wanted} connections were opened")
        return float(answer[2])

    def frame_length(self, one: Gateway) -> int:
        """Bytes of the frame that a send makes: they are of one length, as ids are."""
        # Until a connection has read its backlog, which is asked for at every connect, a frame waits.
        self.expect(1)
        one.send()
        self.arrived()
        self.write("watch 1.5")
        one.send()
        length, rest = divmod(int(self.read()[1]), self.count)
        if rest or not length:
            raise SystemExit("not every connection got the first frame in time")
        return length

    def expect(self, length: int, patience: float = 20.0) -> None:
        """From now on, wait until each connection has got so many bytes; ``arrived`` tells."""
        self.write(f"expect {length} {self.count} {patience}")

    def arrived(self) -> Arrivals:
        """When they had."""
        answer = self.read()
        if int(answer[1]) != self.count:
            raise SystemExit(f"only {answer[1]} of {self.count} connections got the frame")
        return Arrivals(*map(float, answer[2:]))

    def cpu(self) -> float:
        """CPU seconds so far."""
        return cpu_of(self.process.pid)


class Answers(NamedTuple):
    """What came of a load: times in seconds, latencies of the answers with 200 only."""

    ok: int
    others: int
    start: float
    seconds: float
    p50: float
    p99: float
    p999: float
    most: float


class Callers:
    """A running load of ``count`` requests: closed loop, or ``rate`` a second whatever the answers take."""

    def __init__(
        self, port: int, callers: int, requests: Iterable[bytes], count: int, rate: float = 0
    ) -> None:
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.writelines(b"%d\n%b" % (len(request), request) for request in requests)
        self._file = Path(file.name)
        self._process = subprocess.Popen(
            pinned(CLIENT_CPU, build("callers"), str(port), str(callers), str(count), str(rate), file.name),
            stdout=subprocess.PIPE,
            text=True,
        )

    def is_running(self) -> bool:
        """True until all is answered."""
        return self._process.poll() is None

    def wait(self) -> Answers:
        """What came of it."""
        words = self._process.communicate()[0].split()
        self._file.unlink()
        if not words:
            raise SystemExit("the callers could not connect")
        return Answers(int(words[0]), int(words[1]), *map(float, words[2:]))

    def wait_for_all(self) -> Answers:
        """What came of it; ends the benchmark unless every answer was a 200."""
        answers = self.wait()
        if answers.others:
            raise SystemExit(f"{answers.others} of {answers.ok + answers.others} requests failed")
        return answers


def post_send(one: Gateway, **more: Any) -> bytes:
    """The request of a send."""
    body = json.dumps(one.draft(**more)).encode()
    head = (
        f"POST /msgpush/send HTTP/1.1\r\nHost: 127.0.0.1:{one.port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(one: Gateway, path: str) -> bytes:
    """The request of a GET with the app's credentials."""
    credentials = base64.b64encode(f"{one.app_id}:{one.app_key}".encode()).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{one.port}\r\nAuthorization: Basic {credentials}\r\n\r\n"
    ).encode()
