"""The table of bad inputs, sent to `labkit serve source` and `labkit serve receiver` as processes.

Each row is answered as the table says: never by a 5xx, never later than the deadline; nothing stored has changed, and
the process serves on.
"""

import json
import os
import random
import re
import sqlite3
import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event

import pytest
from attacked import Attacked, attacked_receiver, attacked_source
from bad_inputs import DEADLINE, EVENT, GOOD, ROWS, Row, post, request, signed, status

from labkit.clock import monotonic

SOAK_SECONDS = float(os.environ.get("LABKIT_SOAK_SECONDS", "600"))
WELL = {"S": Row("S", "a good request", 200, request("GET /healthz")), "R": Row("R", "a good call", 200, signed())}
pytestmark = pytest.mark.slow


class Attack:
    """Both servers. The rows that are answered at the deadline only are sent at once, at the start: that takes 10 s."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.on = {
            "S": stack.enter_context(attacked_source(folder)),
            "R": stack.enter_context(attacked_receiver(folder)),
        }
        stalls = [row for row in ROWS if row.stalls]
        pool = stack.enter_context(ThreadPoolExecutor(len(stalls)))
        self._stalled = {row: pool.submit(self._timed, row) for row in stalls}

    def answer(self, row: Row) -> tuple[bytes, float]:
        """What a row is answered, and after how many seconds."""
        return self._stalled[row].result() if row.stalls else self._timed(row)

    def _timed(self, row: Row) -> tuple[bytes, float]:
        since = monotonic()
        return row.answer(self.on[row.to].target), monotonic() - since


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    with ExitStack() as stack:
        attack = Attack(stack, tmp_path_factory.mktemp("attacked"))
        yield attack
        assert [each.serving.process.poll() for each in attack.on.values()] == [None, None]
        assert attack.on["S"].inner == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.to}: {row.input}")
def test_a_bad_input_is_answered_as_the_table_says_and_changes_nothing(attack: Attack, row: Row) -> None:
    attacked = attack.on[row.to]
    (before, aside) = attacked.state()
    answer, seconds = attack.answer(row)
    assert status(answer) == row.status, answer[:300]
    assert attacked.target.fill(row.says.encode()) in answer
    if row.stalls:
        assert seconds > DEADLINE - 1
    elif (row.to, row.status) == ("R", 422):  # kept aside once, however often it comes
        assert status(row.answer(attacked.target)) == 422
        aside += 1
    assert attacked.state() == (before, aside)
    assert status(WELL[row.to].answer(attacked.target)) == 200


def test_a_payload_of_markup_is_stored_exactly_and_printed_escaped(attack: Attack) -> None:
    """The receiver prints each copy that arrives: no control character reaches the terminal."""
    received = attack.on["R"]
    with closing(sqlite3.connect(f"file:{received.file}?mode=ro", uri=True)) as db:
        assert db.execute("SELECT body FROM effects").fetchall() == [(GOOD,)]
    printed = received.serving.printed[0]
    assert "\x1b" not in printed and printed.isascii()
    assert json.loads(printed) == EVENT


def test_the_table_has_each_input_once() -> None:
    names = [(row.to, row.input) for row in ROWS]
    assert len(set(names)) == len(names)


@pytest.mark.soak
@pytest.mark.parametrize("to", ["S", "R"])
def test_a_client_that_behaves_is_served_amid_all_bad_inputs_8_at_once(tmp_path: Path, to: str) -> None:
    """For LABKIT_SOAK_SECONDS, 600 by default, in random order. All that is stored in the end is the client's."""
    chance, ended = random.Random(7), Event()
    rows = [row for row in ROWS if row.to == to]
    with (attacked_source if to == "S" else attacked_receiver)(tmp_path) as attacked, ThreadPoolExecutor(8) as pool:
        table, aside = kept_rows(attacked)[0], sum(row.status == 422 for row in rows)

        def attack(own: random.Random) -> int:
            sent = 0
            while not ended.is_set():
                row = own.choice(rows)
                answer = row.answer(attacked.target)
                assert status(answer) == row.status, (row.input, answer[:300])
                sent += 1
            return sent

        attackers: list[Future[int]] = [pool.submit(attack, random.Random(chance.random())) for _ in range(8)]
        try:
            latencies = served(attacked, to, SOAK_SECONDS, lambda: any(each.done() for each in attackers))
        finally:
            ended.set()
        sent = sum(each.result() for each in attackers)
        rows_now, kept = kept_rows(attacked)
        assert table <= rows_now and len(rows_now - table) == len(latencies)
        assert kept <= aside and attacked.inner == []
        assert attacked.serving.process.poll() is None
    print(f"{sent} bad inputs; {len(latencies)} good requests, {1000 * statistics.median(latencies):.1f} ms the median")


def kept_rows(attacked: Attacked) -> tuple[set[str], int]:
    """What is stored of events, subscriptions and effects, and how many messages are in quarantine."""
    lines, aside = attacked.state()
    tables = re.compile('INSERT INTO "(events|subscriptions|effects)"')
    return {line for line in lines if tables.match(line)}, aside


def served(attacked: Attacked, to: str, seconds: float, until: Callable[[], bool]) -> list[float]:
    """A client that behaves sends an event every 50 ms; how long each answer took."""
    latencies, pause, end = list[float](), Event(), monotonic() + seconds
    while monotonic() < end and not until():
        number = len(latencies)
        if to == "S":
            row = Row("S", "an event", 201, post("/events", {"type": "good.one", "data": {"number": number}}))
        else:
            body = json.dumps({**EVENT, "id": f"good_{number}"}).encode()
            row = Row("R", "an event", 200, signed(body, as_id=f"good_{number}"))
        since = monotonic()
        assert status(row.answer(attacked.target)) == row.status
        latencies.append(monotonic() - since)
        pause.wait(0.05)
    return latencies
