"""A mail server to try a plugin with: ``python -m onepush_core.testing.mail_stand_in PORT`` prints mails."""

from __future__ import annotations

import sys

import gevent

from onepush_core.testing.mail import FakeMailServer, Mail


def show(mail: Mail) -> None:
    """One line for the envelope and the subject, then the text."""
    print(f"mail to {', '.join(mail.recipients)}: {mail.message['Subject']}")  # noqa: T201
    print(mail.message.get_content(), flush=True)  # noqa: T201


if __name__ == "__main__":
    server = FakeMailServer(int(sys.argv[1]) if sys.argv[1:] else 0, show)
    print(f"listening on {server.host}:{server.port}", flush=True)  # noqa: T201
    gevent.wait()
