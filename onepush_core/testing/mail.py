"""FakeMailServer: somebody else's mail server, real SMTP on a loopback port, with troubles on demand.

Of RFC 5321 it has what it takes to hand in a mail.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, ClassVar, NamedTuple

import gevent
from gevent.server import StreamServer

from onepush_core.testing.troubles import Trouble

NEVER = 3600.0
BEAT = 0.05
PART = b"x" * 65_536
MOST = 32 << 20
LONGEST_LINE = 1_000


class Mail(NamedTuple):
    """A mail that was taken. ``recipients``: those of the envelope that were accepted."""

    sender: str
    recipients: list[str]
    message: EmailMessage


class FakeMailServer:
    """Takes mail for everybody but the ``dead``, unless it is in trouble.

    ``host``, ``port``: where it listens (0: a free port). ``requests``: the mails, in order. ``taken``: is
    called with each. Close it at the end.
    """

    TROUBLES: ClassVar[tuple[Trouble, ...]] = (
        Trouble.SERVER_ERROR,
        Trouble.TOO_MANY,
        Trouble.UNAUTHORIZED,
        Trouble.REFUSED,
        Trouble.RESET,
        Trouble.HANG_UP,
        Trouble.SILENCE,
        Trouble.DRIP,
        Trouble.TORN,
        Trouble.GARBAGE,
        Trouble.ENDLESS,
    )

    def __init__(self, port: int = 0, taken: Callable[[Mail], object] | None = None) -> None:
        self.host = "127.0.0.1"
        self.taken = taken or (lambda mail: None)
        self.requests: list[Mail] = []
        self.dead: set[str] = set()
        self.sent = 0
        self._trouble: Trouble | None = None
        self._times: int | None = None
        self._server = self._listen(port)
        self.port = self._server.server_port or 0

    def trouble(self, kind: Trouble, times: int | None = None) -> None:
        """Be in trouble from now on: for so many mails (None: until ``recover``)."""
        self.recover()
        self._trouble, self._times = kind, times
        if kind is Trouble.REFUSED:
            self._server.stop(timeout=0)

    def recover(self) -> None:
        """Be well again."""
        if self._trouble is Trouble.REFUSED:
            self._server = self._listen(self.port)
        self._trouble = None

    def close(self) -> None:
        """Listen no more, and cut all connections."""
        self._server.stop(timeout=0)

    def take_trouble(self) -> Trouble | None:
        """The trouble that the next mail gets."""
        kind = self._trouble
        if kind is not None and self._times is not None:
            self._times -= 1
            if self._times == 0:
                self._trouble = None
        return kind

    def _listen(self, port: int) -> StreamServer:
        server = StreamServer((self.host, port), self._serve)
        server.start()
        return server

    def _serve(self, connection: socket.socket, address: object) -> None:
        try:
            Session(self, connection).run()
        except OSError:
            pass  # the caller has hung up
        finally:
            connection.close()


class Session:
    """One connection: greeting, commands, mails."""

    def __init__(self, server: FakeMailServer, connection: socket.socket) -> None:
        self._server = server
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._sender = ""
        self._recipients: list[str] = []

    def run(self) -> None:
        """Answer command after command until the client leaves."""
        self._say("220 stand-in ESMTP")
        while line := self._lines.readline(LONGEST_LINE):
            word, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            if word.upper() == "QUIT":
                return self._say("221 bye")
            COMMANDS.get(word.upper(), Session._unknown)(self, rest)

    def _say(self, line: str) -> None:
        self._connection.sendall(line.encode() + b"\r\n")

    def _hello(self, rest: str) -> None:
        self._say("250-stand-in")
        self._say("250 8BITMIME")

    def _mail(self, rest: str) -> None:
        kind = self._server.take_trouble()
        if kind is not None:
            ACTS[kind](self)
            return
        self._sender, self._recipients = _address_in(rest), []
        self._say("250 ok")

    def _rcpt(self, rest: str) -> None:
        address = _address_in(rest)
        if address in self._server.dead:
            return self._say("550 5.1.1 no such mailbox")
        self._recipients.append(address)
        self._say("250 ok")

    def _data(self, rest: str) -> None:
        if not self._recipients:
            return self._say("503 5.5.1 nobody to send to")
        self._say("354 go ahead")
        content = b""
        while (line := self._lines.readline()) not in (b".\r\n", b""):
            content += line.removeprefix(b".").replace(b"\r\n", b"\n")
        mail = Mail(self._sender, self._recipients, message_from_bytes(content, policy=default))
        self._server.requests.append(mail)
        self._server.taken(mail)
        self._say("250 2.0.0 taken")

    def _reset_transaction(self, rest: str) -> None:
        self._recipients = []
        self._say("250 ok")

    def _unknown(self, rest: str) -> None:
        self._say("502 5.5.2 what?")

    # --- troubles -----------------------------------------------------------------------------

    def _reset(self) -> None:
        # Lingering for 0 seconds turns the close into a reset.
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise OSError

    def _hang_up(self) -> None:
        raise OSError

    def _be_silent(self) -> None:
        gevent.sleep(NEVER)

    def _drip(self) -> None:
        while True:
            self._connection.sendall(b"2")
            gevent.sleep(BEAT)

    def _tear(self) -> None:
        self._connection.sendall(b"25")
        raise OSError

    def _babble(self) -> None:
        self._connection.sendall(b"\x00\xff{\x1b]\r\n")

    def _flood(self) -> None:
        for _ in range(MOST // len(PART)):
            self._connection.sendall(PART)
            self._server.sent += len(PART)


def _address_in(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]


Act = Callable[[Session], Any]
COMMANDS: dict[str, Callable[[Session, str], None]] = {
    "EHLO": Session._hello,
    "HELO": Session._hello,
    "MAIL": Session._mail,
    "RCPT": Session._rcpt,
    "DATA": Session._data,
    "RSET": Session._reset_transaction,
}
ACTS: dict[Trouble, Act] = {
    Trouble.SERVER_ERROR: lambda session: session._say("451 4.3.0 local error"),
    Trouble.TOO_MANY: lambda session: session._say("421 4.7.0 slow down"),
    Trouble.UNAUTHORIZED: lambda session: session._say("530 5.7.0 who are you?"),
    Trouble.REFUSED: Session._reset,
    Trouble.RESET: Session._reset,
    Trouble.HANG_UP: Session._hang_up,
    Trouble.SILENCE: Session._be_silent,
    Trouble.DRIP: Session._drip,
    Trouble.TORN: Session._tear,
    Trouble.GARBAGE: Session._babble,
    Trouble.ENDLESS: Session._flood,
}
