"""Tags on a large registry: how soon a send starts, how fast an audience is resolved, what registering costs.

1,000,000 devices with 50 tags each, one from each of 50 groups of 20, so 1,000 tags with 50,000 devices each;
beside them ``a`` on 40,000 devices, half of which carry ``b``, which half of all devices carry.
Filling takes a minute and 2.1 GB in the folder for temporary files.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count

import requests
from common import CLIENT_CPU, Gateway, gateway, median, spread
from websockets.sync.client import connect

from onepush_core import App, Message, Selector, Transaction
from onepush_core.store.audience import read_page
from onepush_tags.audience import resolve

GROUPS, CHOICES = 50, 20
PRIME = 65_537
PAGE = 1000
TEN_TAGS = [f"tag{number:04}" for number in range(0, 200, 20)]
EXPRESSIONS = ["a & !b", "a & b", "tag0001 & (tag0020 | tag0040) & !b", "tag0001 | tag0020 | a", "!b"]


def fill(one: Gateway, devices: int) -> None:
    """Put devices and tags straight into the file, while nobody serves it.

    In the order of the table's key, and with the second index made at the end: that costs least.
    """
    one.register(devices)
    with closing(sqlite3.connect(one.database, isolation_level=None)) as database:
        for pragma in ("journal_mode = MEMORY", "synchronous = OFF", "cache_size = -1000000", "threads = 2"):
            database.execute(f"PRAGMA {pragma}")
        (index,) = database.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'device_tag_device'"
        ).fetchone()
        app, first = database.execute("SELECT app, min(key) FROM device").fetchone()
        database.execute("DROP INDEX device_tag_device")
        database.execute("BEGIN")
        for tag, numbers, device, carries in tagged(devices):
            database.execute(
                "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?)"
                f" INSERT INTO device_tag(app, tag, device) SELECT ?, ?, ? + {device} FROM numbers"
                f" WHERE {carries}",
                (numbers, app, tag, first),
            )
        database.execute("COMMIT")
        database.execute(index)
        database.execute("PRAGMA journal_mode = WAL")


def tagged(devices: int) -> Iterator[tuple[str, int, str, str]]:
    """Each tag, ascending, with three ways to say who carries it in SQL.

    How many numbers n to go through from 0 on, which device each stands for, and whether it carries the tag.
    One device in every 20 (or 25) is picked by multiplying modulo a prime, which looks random enough.
    """
    dice = random.Random(1)
    factor = dice.randrange(1, PRIME)
    place = f"{factor} % {PRIME} % 25"
    half = f"n * {dice.randrange(1, PRIME)} % {PRIME} % 2"
    yield "a", devices // 25, f"n * 25 + n * {place}", "1"
    yield "b", devices, "n", f"CASE WHEN n % 25 = n / 25 * {place} THEN n / 25 % 2 ELSE {half} END"
    for group in range(GROUPS):
        factor = dice.randrange(1, PRIME)
        for choice in range(CHOICES):
            device = f"n * {CHOICES} + (n * {factor} % {PRIME} + {choice}) % {CHOICES}"
            yield f"tag{group * CHOICES + choice:04}", devices // CHOICES, device, "1"


def measure_resolving(one: Gateway, rounds: int) -> None:
    """As the dispatcher reads: page by page, narrowed to the app's registered devices."""
    database = sqlite3.connect(one.database)
    database.execute("PRAGMA cache_size = -64000")
    transaction = Transaction(database)
    (app,) = database.execute("SELECT key FROM app WHERE id = ?", (one.app_id,)).fetchone()
    message = Message(key=1 << 62, id="", app=App(app, "", ""), alert="", accepted_at=0, expires_at=0)
    for expression in EXPRESSIONS:
        firsts, rates = [], []
        for _ in range(rounds):
            began = time.perf_counter()
            query = resolve(app, Selector("TAG_EXPR", (expression,)), lambda job: job(transaction))
            page = read_page(transaction, message, query, 0, PAGE)
            firsts.append((time.perf_counter() - began) * 1000)
            found = len(page.keys)
            while page.last is not None:
                page = read_page(transaction, message, query, page.last, PAGE)
                found += len(page.keys)
            rates.append(found / (time.perf_counter() - began))
        print(
            f"    {expression}: {found:,} devices; first page {spread(firsts, 1)} ms; "
            f"{spread(rates, 0)} devices/s"
        )
    database.close()


def measure_start(one: Gateway, rounds: int) -> None:
    """From the POST to the frame of the first device, and until all deliveries are stored and offered."""
    with sqlite3.connect(one.database) as database:
        (first,) = database.execute(
            "SELECT id FROM device WHERE key = (SELECT min(a.device) FROM app"
            " JOIN device_tag a ON a.app = app.key AND a.tag = 'a' WHERE app.id = ? AND NOT EXISTS"
            " (SELECT 1 FROM device_tag b WHERE b.app = a.app AND b.tag = 'b' AND b.device = a.device))",
            (one.app_id,),
        ).fetchone()
    database.close()
    starts, ends = [], []
    with connect(f"ws://127.0.0.1:{one.port}/msgpush.ws?deviceId={first}") as sock:
        for _ in range(rounds):
            began = time.perf_counter()
            request = one.send(audienceType="TAG_EXPR", audiences=["a & !b"])
            sock.recv(timeout=30)
            starts.append((time.perf_counter() - began) * 1000)
            total = await_dispatched(one, request)
            ends.append(total / (time.perf_counter() - began))
    print(
        f"    a & !b, POST to first frame: {spread(starts, 1)} ms; "
        f"until all {total:,} are stored and offered: {spread(ends, 0)} devices/s"
    )


def await_dispatched(one: Gateway, request: str) -> int:
    while (status := one.status(request))["state"] == "dispatching":
        time.sleep(0.002)
    return status["total"]


def measure_counting(one: Gateway, rounds: int) -> None:
    """How long it takes to count whom a send would reach, nobody being connected."""
    for kind, audience in (("TAG_EXPR", "a & !b"), ("ALIAS", "ALL")):
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            answer = one.session.get(
                one.url + "/v1/audience/count",
                params={"audienceType": kind, "audiences": audience},
                auth=(one.app_id, one.app_key),
            )
            times.append(time.perf_counter() - began)
        print(f"    {audience}: {answer.json()['total']:,} devices; {spread(times)} s")


def measure_registering(one: Gateway, number: int, rounds: int) -> None:
    """Registrations with ten tags and without, in turn, from 16 callers."""
    numbers = count()
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=16))
    run = uuid.uuid4().hex

    def register(tags: list[str] | None) -> None:
        body = {"appId": one.app_id, "alias": "bench", "platform": "ANDROID", "tag": tags}
        body["nativeToken"] = f"{run}{next(numbers)}"
        answer = session.post(f"{one.url}/msgpush/register", json=body)
        assert answer.ok, answer.text

    times: dict[bool, list[float]] = {True: [], False: []}
    work: dict[bool, list[float]] = {True: [], False: []}
    with ThreadPoolExecutor(16) as callers:
        for turn in range(2 * rounds):
            with_tags = turn % 2 == 0
            cpu, began = one.cpu(), time.perf_counter()
            list(callers.map(register, [TEN_TAGS if with_tags else None] * number))
            times[with_tags].append((time.perf_counter() - began) / number * 1000)
            work[with_tags].append((one.cpu() - cpu) / number * 1000)
    for name, values in (("time", times), ("CPU of the worker", work)):
        print(
            f"    {name}: {spread(values[True])} ms with ten tags, {spread(values[False])} ms without; "
            f"ratio {median(values[True]) / median(values[False]):.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--registrations", type=int, default=1000)
    options = parser.parse_args()
    print("(h) tags on a large registry")
    with gateway() as one:
        one.stop()
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        began = time.perf_counter()
        fill(one, options.devices)
        print(
            f"  {options.devices:,} devices, filled in {time.perf_counter() - began:.0f} s, "
            f"{one.database.stat().st_size / 1e9:.1f} GB"
        )
        os.sched_setaffinity(0, {CLIENT_CPU})
        one.start()
        print("  resolving an expression")
        measure_resolving(one, options.rounds)
        print("  a send")
        measure_start(one, options.rounds)
        print("  counting an audience")
        measure_counting(one, max(1, options.rounds // 3))
        print("  registering")
        measure_registering(one, options.registrations, max(1, options.rounds // 2))


if __name__ == "__main__":
    main()
