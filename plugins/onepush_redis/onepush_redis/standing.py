"""How sure this worker may be of what Redis says: its own marker, and those of others. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

REMEMBERED = 64
"""Workers that are gone."""


class Marker(NamedTuple):
    """What a worker has said of itself. ``until``: milliseconds of the server's clock."""

    epoch: bytes
    complete: bool
    until: int
    run: bytes
    table: bytes


class View(NamedTuple):
    """What one look found. ``now``: milliseconds of the server's clock; ``run``: the server's run id.

    ``table``: the word in the table of devices, None when there is none.
    """

    markers: Mapping[bytes, bytes]
    now: int
    run: bytes
    table: bytes | None


class Standing:
    """``epoch``, ``complete``: of the worker's own marker as written last.

    ``gone``: the latest workers that are no more, ourselves under former numbers too.
    """

    def __init__(self, worker: int) -> None:
        self.worker = worker
        self.epoch = 0
        self.complete = False
        self.gone: dict[int, None] = {}
        self._expected: frozenset[int] | None = None
        self._seen: frozenset[int] = frozenset()
        self._seen_in: tuple[bytes, bytes | None] = (b"", None)

    def succeed(self, worker: int) -> Standing:
        """The same worker under a new number."""
        new = Standing(worker)
        new.gone, new._expected = self.gone, self._expected
        new._seen, new._seen_in = self._seen, self._seen_in
        new.forget(self.worker)
        return new

    def expect(self, workers: Iterable[int]) -> None:
        """These live, by the database."""
        self._expected = frozenset(workers)

    def forget(self, worker: int) -> None:
        """This one does not, whatever anybody says later."""
        self.gone[worker] = None
        if len(self.gone) > REMEMBERED:
            del self.gone[next(iter(self.gone))]

    def read(self, view: View) -> dict[bytes, int] | None:
        """The beginnings of the claims that count, with their workers; None: somebody is not complete.

        A registered worker that is not complete makes everything unsure, unless it has been silent and the
        database does not know it any more. So does one that ought to be registered and is not.
        """
        heads: dict[bytes, int] = {}
        for name, text in view.markers.items():
            worker, marker = int(name), parse_marker(text)
            if worker in self.gone or (marker.until < view.now and self._is_unknown(worker)):
                continue
            if not is_sure(marker, view):
                return None
            heads[b"%s.%s" % (name, marker.epoch)] = worker
        found = frozenset(heads.values())
        mine = b"%d.%d" % (self.worker, self.epoch)
        if not self.complete or mine not in heads or not self._required(view) <= found:
            return None
        self._seen, self._seen_in = found, (view.run, view.table)
        return heads

    def _is_unknown(self, worker: int) -> bool:
        return self._expected is not None and worker not in self._expected

    def _required(self, view: View) -> frozenset[int]:
        """Who must be registered. If nobody tells: once the register is lost, those who were in it before."""
        if self._expected is not None:
            return self._expected.difference(self.gone)
        intact = self._seen_in == (view.run, view.table)
        return frozenset() if intact else self._seen.difference(self.gone)


def parse_marker(text: bytes) -> Marker:
    """Take ``epoch:complete:until:run:table`` apart. Raises ValueError."""
    epoch, complete, until, run, table = text.split(b":", 4)
    return Marker(epoch, complete == b"1", int(until), run, table)


def is_sure(marker: Marker, view: View) -> bool:
    """Whether all that this worker holds is in the table that was looked at."""
    fresh = marker.complete and marker.until >= view.now
    return fresh and marker.run == view.run and marker.table == view.table


def read_claims(
    devices: Iterable[int], claims: Iterable[bytes | None], heads: Mapping[bytes, int]
) -> dict[int, int]:
    """Which worker holds which device: the newest claim that counts."""
    find = heads.get
    found: dict[int, int] = {}
    for device, text in zip(devices, claims, strict=True):
        if text is None:
            continue
        worker = find(text[: text.rfind(b".")])
        if worker is None:
            worker = _first(text, heads)
        if worker is not None:
            found[device] = worker
    return found


def _first(text: bytes, heads: Mapping[bytes, int]) -> int | None:
    """Of several claims, the first that counts."""
    candidates = (heads.get(claim.rpartition(b".")[0]) for claim in text.split(b" "))
    return next((worker for worker in candidates if worker is not None), None)
