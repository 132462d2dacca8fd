"""A reader who types along with a page: writes its files, runs its commands, compares what is printed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

from harness.process import free_port

BLOCK = re.compile(
    r"(?:^`(?P<path>[^`\n]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL
)
DONE = "--done--"
PORTS = ("8090", "8091", "2525")


class Block(NamedTuple):
    """A code block: ``kind`` as it is marked; ``path``: the file it is the content of, where it is one."""

    kind: str
    text: str
    path: str | None


def blocks_of(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    return [Block(found["kind"], found["text"], found["path"]) for found in BLOCK.finditer(page)]


def with_free_ports(page: str) -> str:
    """A page with ports that nobody else on this machine uses, in place of its own."""
    ports = {port: str(free_port()) for port in PORTS}
    return re.sub("|".join(PORTS), lambda found: ports[found.group()], page)


class Reader:
    """One shell for the whole page; what it started in the background ends with it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.output = ""
        self._shell = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def follow(self, block: Block) -> None:
        """Do what a block says. Raises AssertionError when that fails or prints something else."""
        if block.path is not None:
            (self._where() / block.path).write_text(block.text)
        elif block.kind == "sh":
            self.output = self._run(block.text)
        elif block.kind == "text":
            self._compare(block.text)
        else:
            raise AssertionError(f"nobody knows what to do with this block:\n{block.text}")

    def close(self) -> None:
        """End the shell and all that it started."""
        os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.communicate()

    def _run(self, commands: str) -> str:
        self._shell.stdin.write(f"{{ set -e\n{commands}\n}}; echo {DONE}\n")
        self._shell.stdin.flush()
        lines = []
        for line in self._shell.stdout:
            if line.rstrip("\n").endswith(DONE):
                return "".join([*lines, line.replace(DONE, "")])
            lines.append(line)
        raise AssertionError(f"{commands}\nended with {self._shell.wait()}:\n{''.join(lines)}")

    def _where(self) -> Path:
        return Path(f"/proc/{self._shell.pid}/cwd").resolve()

    def _compare(self, wanted: str) -> None:
        """Each line stands somewhere in the output, after the one before; … is anything."""
        rest = self.output
        for line in wanted.splitlines():
            parts = [re.escape(part.strip()) for part in line.split("…")]
            found = re.search(r"[^\n]*".join(parts), rest)
            assert found, f"wanted {line!r} in:\n{self.output}"
            rest = rest[found.end() :]
