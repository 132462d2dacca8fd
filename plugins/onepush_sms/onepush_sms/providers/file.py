"""``file``: writes a line for each SMS, to try things out without a provider."""

from __future__ import annotations

import os

import msgspec

from onepush_sms.objects import Answer, Sms, Verdict
from onepush_sms.segments import count_segments
from onepush_sms.settings import FileSettings


class FileProvider:
    """Appends ``{"id", "app", "number", "text"}`` to a file that only its owner can read."""

    name = "file"
    extra_keys: frozenset[str] = frozenset()

    def __init__(self, settings: FileSettings) -> None:
        self._path = settings.path

    def prepare(self) -> None:
        """Nothing to prepare."""

    def count_segments(self, text: str) -> int:
        """As a provider counts that picks the alphabet."""
        return count_segments(text)

    def send(self, sms: Sms) -> Answer:
        """Write the line at once, so that no line is ever torn."""
        line = {"id": sms.key, "app": sms.app, "number": sms.number, "text": sms.text}
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return Answer(Verdict.UNREACHABLE, "the file cannot be opened")
        try:
            os.write(file, msgspec.json.encode(line) + b"\n")
        finally:
            os.close(file)
        return Answer(Verdict.ACCEPTED, reference=str(sms.key))
