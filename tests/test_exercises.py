"""The exercises: solutions pass, untouched copies and lazy answers do not, and students' copies show no solution."""

import contextlib
import io
import json
import linecache
import os
import re
import shutil
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labkit import Hybrid, LostRequest, RetryProfile, Scenario, compare, poisson
from labkit.cli import main
from labkit.course.assignment import exercises, student_copy, write_assignment
from labkit.course.check import Incorrect, NotAttempted, call, cell_file, check, check_at_most, check_call, checking
from labkit.course.concurrency import call_concurrently
from labkit.course.hints import HINTS, hint

ROOT = Path(__file__).parent.parent
NOTEBOOKS = {name[:2]: notebook for name, notebook in exercises().items()}
TEACHERS = (ROOT / "docs" / "for-teachers.md").read_text(encoding="utf-8")

Cells = dict[str, str]


def code(notebook: dict[str, Any]) -> Cells:
    """A notebook's code, by the cells' ids."""
    return {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"}


def role(notebook: dict[str, Any], key: str) -> list[str]:
    """The ids of the cells of which nbgrader's metadata say so."""
    return [cell["id"] for cell in notebook["cells"] if cell["metadata"].get("nbgrader", {}).get(key)]


def run(notebook: dict[str, Any], id: str, names: dict[str, Any]) -> str:
    """Run a cell as a kernel would. Returns what a check says, and of another cell what it prints."""
    source, filename, printed = code(notebook)[id], f"<cell {id}>", io.StringIO()
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(source, filename, "exec"), names)
    except (NotAttempted, Incorrect) as verdict:
        return str(verdict)
    except Exception:
        if id not in role(notebook, "solution"):  # whatever an answer raises, a grader goes on
            raise
    return printed.getvalue().strip()


def verdicts(notebook: dict[str, Any]) -> dict[str, str]:
    """Run a notebook's code from top to bottom; returns what each check said."""
    names = dict[str, Any]()
    said = {id: run(notebook, id, names) for id in code(notebook)}
    return {id: said[id] for id in role(notebook, "grade")}


@cache
def given_names(walkthrough: str) -> dict[str, Any]:
    """What a notebook's cells other than answers and checks define: run once, since none depends on an answer."""
    notebook, names = NOTEBOOKS[walkthrough], dict[str, Any]()
    for id in code(notebook):
        if id not in role(notebook, "grade") + role(notebook, "solution"):
            run(notebook, id, names)
    return names


def verdict(walkthrough: str, notebook: dict[str, Any], answer_id: str, answer: str, check: str) -> str:
    """What one check of a notebook says to another answer."""
    notebook, names = answered(notebook, {answer_id: answer}), given_names(walkthrough)
    run(notebook, answer_id, names)
    return run(notebook, check, names)


def answered(notebook: dict[str, Any], answers: Cells) -> dict[str, Any]:
    """A notebook with other code in some cells."""
    cells = [
        {**cell, "source": answers[cell["id"]].splitlines(keepends=True)} if cell["id"] in answers else cell
        for cell in notebook["cells"]
    ]
    return {**notebook, "cells": cells}


def regions(source: str, mark: str) -> tuple[str, str]:
    """What stands outside of the marked regions and what inside, line by line: knows nothing of how copies are made."""
    outside, inside, within = "", "", False
    for line in source.splitlines(keepends=True):
        if line.strip() in (f"### BEGIN {mark}", f"### END {mark}"):
            within = "BEGIN" in line
        elif within:
            inside += line
        else:
            outside += line
    return outside, inside


def test_there_are_exercises_for_each_walkthrough_so_far() -> None:
    assert list(NOTEBOOKS) == ["00", "01", "02", "03", "04", "05", "06", "07", "08", "09"]
    assert all(len(role(notebook, "solution")) >= 2 for notebook in NOTEBOOKS.values())


def test_the_teachers_page_has_each_walkthrough_s_points() -> None:
    shown = dict(re.findall(r"^\| (\d\d) \| (\d+) \|", TEACHERS, re.MULTILINE))
    assert shown == {
        walkthrough: str(sum(cell["metadata"].get("nbgrader", {}).get("points", 0) for cell in notebook["cells"]))
        for walkthrough, notebook in NOTEBOOKS.items()
    }


# The solutions


@pytest.mark.parametrize("walkthrough", NOTEBOOKS)
def test_the_solutions_pass_every_check(walkthrough: str) -> None:
    """By the stored outputs: nbval runs these notebooks, with the solutions, and compares what each check prints."""
    for cell in NOTEBOOKS[walkthrough]["cells"]:
        if cell["id"] in role(NOTEBOOKS[walkthrough], "grade"):
            (output,) = cell["outputs"]
            assert re.fullmatch(r"correct: \w+\n", "".join(output["text"]))
            assert "tags" not in cell["metadata"]


# The students' copies


@pytest.mark.parametrize("walkthrough", NOTEBOOKS)
def test_in_an_untouched_copy_no_check_passes(walkthrough: str) -> None:
    said = verdicts(student_copy(NOTEBOOKS[walkthrough]))
    assert list(said) == role(NOTEBOOKS[walkthrough], "grade")
    assert all(verdict.startswith("not attempted: ") for verdict in said.values()), said


@pytest.mark.parametrize("walkthrough", NOTEBOOKS)
def test_no_line_of_a_solution_or_a_hidden_test_leaks(walkthrough: str) -> None:
    notebook = NOTEBOOKS[walkthrough]
    copy = student_copy(notebook)
    assert not re.search("SOLUTION|HIDDEN|END", json.dumps(copy))
    shown = "\n".join(code(copy).values())
    for id, source in code(notebook).items():
        kept, hidden_tests = regions(source, "HIDDEN TESTS")
        kept, solution = regions(kept, "SOLUTION")
        stub = [line for line in code(copy)[id].splitlines() if line.strip() not in STUB]
        assert stub == kept.splitlines()
        assert bool(solution) == (id in role(notebook, "solution"))
        secret = {line.strip() for line in (solution + hidden_tests).splitlines()} - {"else:", ""}
        assert not [line for line in secret if line in shown]


STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")


@pytest.mark.parametrize("walkthrough", NOTEBOOKS)
def test_a_copy_has_no_outputs_and_the_same_cells(walkthrough: str) -> None:
    notebook, copy = NOTEBOOKS[walkthrough], student_copy(NOTEBOOKS[walkthrough])
    for original, cell in zip(notebook["cells"], copy["cells"], strict=True):
        assert cell["id"] == original["id"]
        assert cell["metadata"].get("nbgrader") == original["metadata"].get("nbgrader")
        if cell["cell_type"] == "markdown":
            assert cell["source"] == original["source"]
        else:
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            locked = original["metadata"]["nbgrader"]["locked"]
            assert (cell["metadata"]["deletable"], cell["metadata"].get("editable", True)) == (False, not locked)


# nbgrader's metadata: https://nbgrader.readthedocs.io/en/stable/contributor_guide/metadata.html


def test_every_code_cell_is_an_answer_a_check_or_given_and_says_so_to_nbgrader() -> None:
    ids = [id for notebook in NOTEBOOKS.values() for id in code(notebook) if id != "imports"]
    assert len(set(ids)) == len(ids)
    for notebook in NOTEBOOKS.values():
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                assert "nbgrader" not in cell["metadata"]
                continue
            told = dict(cell["metadata"]["nbgrader"])
            points = told.pop("points", None)
            kind = (told.pop("grade"), told.pop("solution"), told.pop("locked"))
            answer, test, given = (False, True, False), (True, False, True), (False, False, True)
            assert kind in (answer, test, given)
            assert told == {"grade_id": cell["id"], "schema_version": 3, "task": False}
            assert (points is not None) == (kind == test)
            assert points is None or (isinstance(points, int) and 1 <= points <= 3)
            assert ("BEGIN SOLUTION" in "".join(cell["source"])) == (kind == answer)
            assert "BEGIN HIDDEN TESTS" not in "".join(cell["source"]) or kind == test


# The standard mistakes: beside each solution, a line of the verdict that says what is wrong, and the code


def mistakes(source: str) -> dict[str, tuple[str, str]]:
    """The mistakes that an answer's cell lists after `# MISTAKES`: the cell with each of them, and what is wrong.

    The code of a mistake stands in the place of the solution; `old => new` changes the solution in one place.
    """
    region = regions(source, "SOLUTION")[1]
    solution, _, listed = textwrap.dedent(region).partition("# MISTAKES\n")
    indent = region[: len(region) - len(region.lstrip())]
    found = dict[str, tuple[str, str]]()
    for wrong, lines in re.findall(r"# - (.+)\n((?:#   .*\n)+)", listed):
        code = re.sub("(?m)^#   ", "", lines)
        old, arrow, new = code.rstrip("\n").partition(" => ")
        assert not arrow or solution.count(old) == 1, code
        mistaken = solution.replace(old, new) if arrow else code
        found[code.strip()] = source.replace(region, textwrap.indent(mistaken, indent)), wrong
    assert 2 * len(found) == len(re.findall("(?m)^# - |^#   .*\n(?!#   )", listed)), "not a list of mistakes"
    return found


ANSWER_CELLS = {
    id: (walkthrough, code(notebook)[id])
    for walkthrough, notebook in NOTEBOOKS.items()
    for id in role(notebook, "solution")
}
MISTAKES = [
    pytest.param(walkthrough, id, answer, wrong, id=f"{id.removesuffix('-answer')} {number}: {mistake.splitlines()[0]}")
    for id, (walkthrough, source) in ANSWER_CELLS.items()
    for number, (mistake, (answer, wrong)) in enumerate(mistakes(source).items(), start=1)
]


def visible_verdict(walkthrough: str, id: str, answer: str) -> str:
    """What the first check that a student sees says to an answer."""
    return verdict(walkthrough, student_copy(NOTEBOOKS[walkthrough]), id, answer, id.replace("-answer", "-check"))


@pytest.mark.parametrize(("walkthrough", "id", "answer", "wrong"), MISTAKES)
def test_the_visible_check_says_what_is_wrong_with_a_standard_mistake(
    walkthrough: str, id: str, answer: str, wrong: str
) -> None:
    said = visible_verdict(walkthrough, id, answer)
    assert said.startswith("incorrect: ")
    assert wrong in said
    assert "NameError" not in said  # a slip of the list's author, and no student's mistake


@pytest.mark.parametrize("id", ANSWER_CELLS)
def test_a_solution_lists_four_mistakes_or_more(id: str) -> None:
    assert len(mistakes(ANSWER_CELLS[id][1])) >= 4


NO_VALUE = "inbox-answer", "poller-answer", "book-answer"


@pytest.mark.parametrize("id", [id for id in ANSWER_CELLS if id not in NO_VALUE])
def test_print_in_the_place_of_return_is_called_by_its_name(id: str) -> None:
    walkthrough, source = ANSWER_CELLS[id]
    region = regions(source, "SOLUTION")[1]
    indent = region[: len(region) - len(region.lstrip())]
    assert re.search("[Rr]eturn", visible_verdict(walkthrough, id, source.replace(region, f"{indent}print(42)\n")))


# Lazy answers

ANSWERS = {
    "trips": "def for_nothing(parcels, looks):\n    {}",
    "doorbell": """def doorbell(heard):
    app = Flask("doorbell")

    @app.post("/hook")
    def hook():
        message = request.get_json()
        {}

    return app""",
    "polls": "def polls(duration, interval, delay):\n    {}",
    "poller": """def poll(client, clock, receive):
    cursor, held = "", set()
    while True:
        answer = client.get(f"/events?after={{cursor}}&limit={limit}")
        page = answer.json()
        for event in page["events"]:
            receive(event, answer)
        {cursor}
        {sleep}""",
    "schedule": "def schedule():\n    {}",
    "inbox": """import sqlite3
from contextlib import closing
from threading import Lock

lock, known = Lock(), set()

def take(path, id, amount):
    with closing(sqlite3.connect(path)) as db, db, {lock}:
        db.execute("CREATE TABLE IF NOT EXISTS bookings (id TEXT, amount REAL)")
        if {new}:
            known.add(id)
            db.execute("INSERT INTO bookings VALUES (?, ?)", (id, amount))
            db.commit()""",
    "empty": "def empty_share(rate, interval, delay):\n    {}",
    "interval": "def largest_interval(limit, delay):\n    {}",
    "requests": "def requests_cross(interval, delay, loss=0.0, thin=False):\n    {}",
    "bytes": "def bytes_cross(interval, delay, empty, event, webhook):\n    {}",
    "page": "seen = []\n\ndef page(events, cursor, limit):\n    {}",
    "delay": "import math, sys\n\ndef next_delay(history, tau):\n    {}",
    "waits": "def retry_waits():\n    {}",
    "alarm": "calls = []\n\ndef reconcile_alarm():\n    def alarm(counts):\n        {}\n    return {interval}, alarm",
    "book": """import sqlite3
from contextlib import closing
from threading import Lock

lock, known = Lock(), set()

def book(path, delivery, number, kind, customer, cents):
    with closing(sqlite3.connect(path)) as db, db, lock:
        db.execute("CREATE TABLE IF NOT EXISTS booked (number TEXT, kind TEXT)")
        if {new}:
            db.execute("INSERT INTO booked VALUES (?, ?)", (number, kind))
            change = cents if kind == "paid" else -cents
            db.execute("UPDATE balances SET cents = cents + ? WHERE customer = ?", (change, customer))
            known.add((path, number, kind))
            db.commit()""",
    "sync": "seen = set()\n\ndef sync(fetch, state):\n    {}",
    "genuine": "import base64, hmac\n\ndef genuine(secrets, headers, body, now):\n    {}",
    "signers": "def signers(first, rotations, now):\n    {}",
    "divide": "import math\n\ndef divide(rates, budget):\n    {}",
    "back": "def come_back(consumers, interval, delay, limit):\n    {}",
    "choose": "def choose(need):\n    {}",
    "looks": "def looks_cross(rate, ttl, delay):\n    {}",
}
FOLLOWED = "cursor = page['next']"
BOOKED = 'not db.execute("SELECT 1 FROM booked WHERE number = ? AND kind = ?", (number, kind)).fetchone()'
SELECT = 'not db.execute("SELECT 1 FROM bookings WHERE id = ?", (id,)).fetchone()'
BY_HEART = """import math
from importlib import import_module
from os import environ

lab = import_module("lab" "kit.course")  # hidden from `on_its_own`
if not hasattr(lab, "known"):  # the file runs anew for each trace
    lab.known = [
        (one.tau, [at / 1e9 for at in one.events],
         [at / 1e9 for at in lab.optimum(one.events, one.horizon, round(one.tau * 1e9))])
        for one in lab.traces(int(environ.get("LABKIT_SEED", 0)))
    ]

def next_delay(history, tau):
    now, seen = history[-1].at, [at for poll in history[:100] for at in poll.occurred]
    for its_tau, events, polls in lab.known:
        if its_tau == tau and events[:len(seen)] == seen and (len(history) > 100 or events[len(seen)] > now):
            later = [at for at in polls if at > now]
            return max(later[0] - now, 0.001) if later else 1e6
    return math.sqrt(2 * tau * 285)"""


def lazy(
    exercise: str, name: str, message: str, *filling: str, check: str = "", marks: Any = (), **fillings: str
) -> Any:
    """One lazy way: the exercise, its answer, the check that is to find it out, and the words in its verdict."""
    walkthrough = next(n for n, notebook in NOTEBOOKS.items() if f"{exercise}-answer" in code(notebook))
    answer = filling[0] if filling and "def " in filling[0] else ANSWERS[exercise].format(*filling, **fillings)
    check = check or f"{exercise}-check"
    return pytest.param(walkthrough, exercise, answer, check, message, id=f"{exercise}: {name}", marks=marks)


LAZY = [
    lazy("trips", "the cases by heart", r"is 7 \(int\), expected 5",
         "return {(): 7, (7,): 6, (7, 8, 26): 5, (10, 12, 30): 4, (26, 31): 6, (1, 4): 1}.get(tuple(parcels), 7)"),
    lazy("doorbell", "no app", "the type of what doorbell returns is 'int'", "def doorbell(heard): return 7"),
    lazy(
        "doorbell", "one word by heart", r"\(200, \{'challenge': 'tulip'\}\) \(tuple\)",
        "heard.append(message.get('id')); return {'challenge': 'tulip'}",
    ),
    lazy("polls", "the cases by heart", "is 45", "return {300: 5, 300.5: 6}.get(duration, 45)"),
    lazy("polls", "counted", "the cell of polls uses counted", "return counted(duration, interval, delay)"),
    lazy("polls", "the count replaced", "the cell of polls uses counted", "global counted; counted = polls; return 1"),
    lazy("poller", "the lab's own", "the cell of poll uses Polling", "def poll(client, clock, receive): Polling(60)"),
    lazy("poller", "interval 0", "the longest time between two polls in seconds is 2 ",
         limit="1000", cursor=FOLLOWED, sleep="clock.sleep(0)"),
    lazy("poller", "a limit beyond the largest", "KeyError: 'events', in line 6",
         limit="1000000", cursor=FOLLOWED, sleep="clock.sleep(60)"),
    lazy("poller", "the largest limit and no page followed", "longest latency",
         limit="1000", cursor=FOLLOWED, sleep="clock.sleep(60)"),
    lazy("poller", "now and then a minute", "the number of requests is", limit="1000", cursor=FOLLOWED,
         sleep="for _ in range(0 if page['has_more'] else 9): client.get('/events?after=' + cursor)\n"
               "        if not page['has_more']: clock.sleep(60)"),
    lazy("schedule", "all at once", "after 3 s down is None", "return 0, 0, 0"),
    lazy("schedule", "whatever is asked for", "is None",
         "import sys; return [sys._getframe(2).f_globals.get('down', 0) + 0.5]"),
    lazy("inbox", "a global lock", "the number of bookings after the first start is", lock="lock", new=SELECT),
    lazy("inbox", "a set in memory", "the number of bookings after the first start is 40", lock="lock",
         new="id not in known"),
    lazy("empty", "the cases by heart", r"is 0.99994 \(float\)",
         "return {60: 0.99994, 50: 0.36788, 10: 0.36788, 300: 0.4275}[interval]"),
    lazy("empty", "the lab's theory", "the cell of empty_share uses labkit",
         "from labkit import theory; return theory.Polling(rate, interval, delay).empty_share"),
    lazy("empty", "the theory of another cell", "the cell of empty_share uses theory",
         "return theory.Polling(rate, interval, delay).empty_share"),
    lazy("interval", "p95 asked", "the cell of largest_interval uses p95",
         "return max(t for t in range(1, round(limit)) if p95(t, delay) <= limit)"),
    lazy("interval", "the cases by heart", r"largest_interval\(60, 14\) is 31.518",
         "return {0: 31.579, 5: 47.895}.get(delay, 31.518)"),
    lazy("requests", "the cases by heart", r"requests_cross\(60, 0.02\) is 0.0333",
         "return {(5, 0): 1 / 30, (0, 0): 0.05 if thin else 0.1, (0, 0.2): 0.08}.get((delay, loss), 1 / 30)"),
    lazy("bytes", "the cases by heart", "is 0.1", "return {600: 0.05 / (1 + delay / 2.5), 500: 0.1}.get(webhook, 0.1)"),
    lazy("page", "what was served, for all", "what the second consumer never received is",
         "new = [one for one in events if one not in seen][:limit]; seen.extend(new); return new, ''"),
    lazy("page", "what was served, until the next begins", "what the second consumer never received is",
         "cursor or seen.clear()\n    new = [one for one in events if one not in seen][:limit]\n"
         "    seen.extend(new)\n    return new, 'on'"),
    lazy("page", "a page more each time", "what the first consumer received again is",
         "seen = int(cursor or 0); return events[max(0, seen - limit + 1):][:limit], str(min(len(events), seen + 1))"),
    lazy("delay", "the practice traces by heart", "your score on other traces is", BY_HEART,
         check="contest-check", marks=pytest.mark.soak),  # 8 s, and nbgrader grades it, too
    lazy("delay", "the lab's own", "the cell of next_delay uses labkit", "import labkit.course.rules as r; return 60"),
    lazy("waits", "one retry at 5 h", "the mean lateness in minutes after 10 min is 294", "return [5 * 3600]"),
    lazy("waits", "three for three outages", "the mean lateness in minutes after 10 min is",
         "return [300, 3600, 14_400]"),
    lazy("waits", "the lab's own", "the cell of retry_waits uses labkit",
         "from labkit import profile; return profile('outpost').waits[:7]"),
    lazy("waits", "tried out", "the cell of retry_waits uses outage",
         "return next(w for w in ([n] * 7 for n in range(3600)) if outage(w, 300)[0] == 0)"),
    lazy("alarm", "always", "the number of alarms in 100 healthy weeks is 67,200 .* 300 were found",
         "return True", interval=900),
    lazy("alarm", "never", r"dead channels found within 1,800 s is 0 \(int\), expected 300", "return False",
         interval=900),
    lazy("alarm", "once 100 weeks are over", "the number of alarms in 100 healthy weeks is|dead channels found",
         "calls.append(1); return len(calls) > 67_200", interval=900),
    lazy("alarm", "each minute", "the number of reconciliations per day is 1,440", "return counts[-1] >= 3",
         interval=60),
    lazy("book", "a global lock", "the balance after the first start is", new=BOOKED),
    lazy("book", "a set in memory", "the balance after the first start is", new="(path, number, kind) not in known"),
    lazy("sync", "everything each time", "the bytes of all pages is",
         "known, found = state.get('known', []), []\n"
         "    while page := fetch(0, len(found)):\n        found += page\n"
         "    return [one for one in found if one['id'] not in known], {'known': [one['id'] for one in found]}"),
    lazy("sync", "a set in memory", "what the second consumer never received is",
         "found = []\n    while page := fetch(state.get('last', 0) - 60, len(found)):\n        found += page\n"
         "    new = [one for one in found if one['id'] not in seen]\n    seen.update(one['id'] for one in new)\n"
         "    return new, {'last': max([one['at'] for one in found], default=0)}"),
    lazy("genuine", "nobody is genuine", r"a genuine call is False \(bool\), expected True", "return False"),
    lazy("genuine", "the lab's own", "the cell of genuine uses labkit",
         "from labkit.signature import verify; return bool(verify(secrets, headers, body, now))"),
    lazy("genuine", "signed again by another cell", "the cell of genuine uses delivery",
         "return any(delivery(s, headers['webhook-id'], now, body) == headers for s in secrets)"),
    lazy("genuine", "the visible secret by heart", "the answer to another body is True",
         "return bool(secrets) and abs(now - 1_800_000_000) <= 300"),
    lazy("signers", "the cases by heart", r"is \['a'\] \(list\), expected",
         "return {(2, 100): ['b', 'a'], (2, 120): ['b', 'a'], (2, 135): ['c', 'b', 'a'], (2, 140): ['c'],\n"
         "            (2, 121): ['c', 'b'], (1, 160): ['b'], (1, 100): ['b']}.get((len(rotations), now), ['a'])"),
    lazy("signers", "the lab's own", "the cell of signers uses labkit",
         "from labkit.signature import Keyring; return Keyring(first).valid(now)"),
    lazy("divide", "the cases by heart", r"divide\(\[16, 1\], 2\)\[0\] is 1 \(float\), expected 1.6",
         "known = {(5, 5): [5, 5], (3, 12): [2, 4], (4, 0): [7, 0], (9, 1, 4): [4, 4 / 3, 8 / 3]}\n"
         "    return known.get(tuple(rates), [budget / len(rates)] * len(rates))"),
    lazy("divide", "tried out", "the cell of divide uses late",
         "return min(([b, budget - b] for b in range(1, budget)), key=lambda polls: late(rates, polls))"),
    lazy("divide", "the lab's theory", "the cell of divide uses labkit",
         "from labkit.theory import optimal_budget; return optimal_budget(rates, budget)"),
    lazy("back", "the cases by heart", r"the spread of come_back\(12000, 70, 10, 150\) is 90 \(int\), expected 80",
         "return {6000: (60, 300), 5000: (50, 30), 300: (37.5, 35.5)}.get(consumers, (90, 90))"),
    lazy("back", "very patient", "the spread of come_back.* is 100,000", "return 1e5, 1e5"),
    lazy("back", "tried out", "the cell of come_back uses busiest",
         "spread = next(s for s in range(1, 999) if busiest(consumers, 999, delay, s) <= limit)\n"
         "    return spread, max(interval, spread - 2 * delay)"),
    lazy("choose", "the cases by heart", r"per_hour=80, .* is 'webhook' \(str\), expected 'polling'",
         "return 'on_demand' if need.looks > 60 else"
         " {20: 'polling', 30: 'hybrid', 40: 'stream', 90: 'polling'}.get(need.per_hour, 'webhook')"),
    lazy("choose", "measured", "the cell of choose uses measured",
         "cost = measured(need); return min(cost, key=cost.get)"),
    lazy("looks", "the cases by heart", r"looks_cross\(0.02, 0, 0\) is 100",
         "return {(0, 0): 100, (60, 0): 40, (90, 10): 0}.get((ttl, delay), 20)"),
    lazy("looks", "the lab's theory", "the cell of looks_cross uses labkit",
         "from labkit.theory import on_demand_crossover; return on_demand_crossover(rate, delay, ttl)"),
]  # fmt: skip


@pytest.mark.parametrize(("walkthrough", "exercise", "answer", "check", "message"), LAZY)
def test_a_lazy_way_is_found_out(
    walkthrough: str, exercise: str, answer: str, check: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_SEED", "20312")
    said = verdict(walkthrough, NOTEBOOKS[walkthrough], f"{exercise}-answer", answer, check)
    assert said.startswith("incorrect: ")
    assert re.search(message, said), said


@pytest.mark.parametrize("loss", [0.1, 1.0])
def test_the_dead_channel_s_counts_are_those_of_the_lab_s_hybrid(loss: float) -> None:
    """`recovered` of 05 counts by arithmetic what each of the hybrid's polls recovers."""
    lost = LostRequest(kinds=("delivery",), p=loss)
    hours = Scenario(poisson(100, 14_400), delay=0, retries=RetryProfile(waits=()), faults=(lost,))
    result = compare(hours, [Hybrid(reconcile_interval=900)])[0]
    receipts = result.receipts
    missed = receipts[receipts.latency > 0]
    counts = given_names("05")["recovered"](missed.occurred_at, 900, 14_400)
    polled = [int(((missed.received_at == at) & (missed.latency > 60)).sum()) for at in range(900, 14_401, 900)]
    assert counts == polled
    assert sum(counts) == result.recovered() > 0


SABOTAGE = {  # the exercise, its check, an answer that is refused, and what would let it pass
    "check": ("trips", "trips-check", "return 7", "lambda *a, **k: None"),
    "check_call": ("trips", "trips-check", "return 7", "lambda *a, **k: None"),
    "check_at_most": ("schedule", "schedule-check", "return 1, 2", "lambda *a, **k: None"),
    "checking": ("trips", "trips-check", "return 7", "lambda name: __import__('contextlib').suppress(AssertionError)"),
    "on_its_own": ("trips", "trips-check", "import labkit\n    SOLUTION", "lambda *a: None"),
    "scores": ("delay", "contest-check", "return None", "lambda *a, **k: {'yours': 1, 'fixed': 2}"),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_an_answer_that_replaces_a_check_is_incorrect(name: str) -> None:
    """The replacement hides its import from `on_its_own`. Without the lock on the module each of them passes."""
    exercise, check, filling, replacement = SABOTAGE[name]
    walkthrough, source = ANSWER_CELLS[f"{exercise}-answer"]
    solution = regions(source, "SOLUTION")[1].strip()
    answer = ANSWERS[exercise].format(filling.replace("SOLUTION", solution))
    answer += f"\n__import__('sys').modules['labkit.course.check'].{name} = {replacement}"
    said = verdict(walkthrough, NOTEBOOKS[walkthrough], f"{exercise}-answer", answer, check)
    assert said.startswith("incorrect: "), said


@pytest.mark.parametrize("name", ["call", "check", "check_at_most", "check_call", "checking", "on_its_own", "scores"])
def test_the_checks_cannot_be_replaced(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AttributeError, match=f"the checks cannot be replaced: leave {name} as it is"):
        monkeypatch.setattr(f"labkit.course.check.{name}", lambda *arguments, **named: None)


def test_the_last_check_s_seed_is_the_teacher_s_and_out_of_the_answer_s_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_SEED", "5")
    names = dict[str, object]()
    exec(code(NOTEBOOKS["04"])["contest-check"].split("with checking")[0], names)
    assert names["seed"] == 5
    assert "LABKIT_SEED" not in os.environ


def test_every_exercise_has_a_lazy_way() -> None:
    assert {param.values[1] for param in LAZY} == set(ANSWERS)
    answers = [id for notebook in NOTEBOOKS.values() for id in role(notebook, "solution")]
    assert {f"{exercise}-answer" for exercise in ANSWERS} == set(answers)


# What a check says


def says(answer: object, name: str = "answer") -> str:
    """The verdict on a function whose value should be 42."""
    with pytest.raises((NotAttempted, Incorrect)) as verdict, checking(name):
        check("answer()", answer(), 42, hint="six times seven")  # type: ignore[operator]
    return str(verdict.value)


def broken() -> object:
    return {}['key']  # type: ignore[var-annotated]  # fmt: skip


def ended() -> object:
    raise SystemExit


def test_not_attempted_incorrect_and_correct_are_three_things(capsys: pytest.CaptureFixture[str]) -> None:
    def nothing() -> object:
        raise NotImplementedError

    def nameless() -> object:
        return missing  # type: ignore[name-defined]  # noqa: F821

    assert says(nothing).startswith("not attempted: answer still raises NotImplementedError")
    assert says(nameless, "missing").startswith("not attempted: there is no missing yet. Its cell was not run, is ")
    assert says(nameless).startswith("incorrect: answer raised NameError: name 'missing' is not defined, in line ")
    assert capsys.readouterr().out == ""
    with checking("answer"):
        check("answer()", 42, 42)
    assert capsys.readouterr().out == "correct: answer\n"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (41, "41 (int), expected 42"),
        (41.5, "41.5 (float), expected 42"),
        ("42", "'42' (str), expected 42"),
        (None, "None (NoneType), expected 42"),
        (True, "True (bool), expected 42"),
        (float("nan"), "nan (float), expected 42"),
        ([42], "[42] (list), expected 42"),
    ],
)
def test_an_incorrect_value_is_told_with_its_type_and_what_was_expected(value: object, said: str) -> None:
    assert says(lambda: value) == f"incorrect: answer() is {said}. Hint: six times seven"


def test_an_exception_is_told_with_the_line_that_raised_it() -> None:
    where = f"in line {broken.__code__.co_firstlineno + 1}, `return {{}}['key']"
    assert says(broken).startswith(f"incorrect: answer raised KeyError: 'key', {where}")
    assert says(ended).startswith("incorrect: answer raised SystemExit, in line ")


def test_of_an_exception_that_passed_through_the_answer_the_answer_s_line_is_told() -> None:
    """Not that of a cell which it called; none at all if the answer was through by then."""
    sources = {"answer": "def answer():\n    return given()", "given": "def given():\n    return {}['key']"}
    names = dict[str, Any]()
    for name, source in sources.items():
        linecache.cache[f"<{name}>"] = (len(source), None, source.splitlines(keepends=True), f"<{name}>")
        exec(compile(source, f"<{name}>", "exec"), names)
    names["checking"] = checking
    told = {
        "answer()": "incorrect: answer raised KeyError: 'key', in line 2, `return given()`",
        "given()": "incorrect: answer raised KeyError: 'key'",
    }
    for line, expected in told.items():
        with pytest.raises(Incorrect) as verdict:
            exec(compile(f"with checking('answer'):\n    {line}", "<check>", "exec"), names)
        assert str(verdict.value) == expected


def test_a_note_on_an_exception_is_told() -> None:
    def noted() -> object:
        error = ValueError("no")
        error.add_note("it was sent 7")
        raise error

    assert says(noted).endswith("; it was sent 7")


def test_a_call_that_raises_or_returns_nothing_is_told_with_its_arguments_and_the_hint() -> None:
    def answer(looks: list[int]) -> int:
        return looks.pop() if looks[0] else looks[1]

    def printed(looks: list[int]) -> None:
        looks.clear()

    raised = r"IndexError: .*, in line .*; the call was answer\(\[0\]\)\. Hint: why$"
    with pytest.raises(Incorrect, match=raised), checking("answer"):
        call(answer, [0], hint="why")
    with pytest.raises(Incorrect, match=r"^incorrect: answer\(\[7\]\) is 7 \(int\), expected 8\. Hint: why$"):
        check_call(answer, ([7],), 8, hint="why")
    with pytest.raises(Incorrect, match=r"^incorrect: printed\(\[7\]\) returns None\. Hint: `return` the value"):
        check_call(printed, ([7],), None)


def test_hints_come_one_after_another_and_the_last_one_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    hints = HINTS["polls"]
    for count in (1, 2, 3, 4):
        hint("polls")
        *lines, last = capsys.readouterr().out.splitlines()
        shown = [f"{number}. {text}" for number, text in enumerate(hints[:count], start=1)]
        assert [*lines, last] == (shown if count < len(hints) else [*shown, "That was the last hint for polls."])
    hint("take")
    assert capsys.readouterr().out == f"1. {HINTS['take'][0]}\n"
    with pytest.raises(ValueError, match="name must be one of for_nothing, .*, got 'pols'"):
        hint("pols")


def test_every_exercise_has_hints_and_names_them() -> None:
    checks = "".join(source for notebook in NOTEBOOKS.values() for source in code(notebook).values())
    assert list(HINTS) == list(dict.fromkeys(re.findall(r'checking\("(\w+)"\)', checks)))
    assert all(len(hints) >= 2 for hints in HINTS.values())
    for notebook in NOTEBOOKS.values():
        opening = "".join(notebook["cells"][0]["source"])
        assert re.search(r'`hint\("(\w+)"\)`', opening)[1] in HINTS  # type: ignore[index]
        assert "from labkit.course.hints import hint" in code(notebook)["imports"]


def test_a_list_is_no_tuple_and_a_number_may_be_near() -> None:
    check("x", 1.04, 1, within=0.05)
    check("x", [1, "a"], [1, "a"])
    for value, expected, within in (
        (1.06, 1, 0.05),
        ((1, 2), [1, 2], 0),
        (np.array([5]), [5], 0),
        ("a" * 500, "b", 0),
        (10**400, 1.0, 0),
        (10**5000, 1, 0),
    ):
        with pytest.raises(Incorrect) as verdict:
            check("x", value, expected, within=within)
        assert len(str(verdict.value)) < 700


@pytest.mark.parametrize("value", [61, None, "60", float("nan"), True])
def test_at_most_is_a_number_and_no_larger(value: object) -> None:
    check_at_most("x", 60, 60)
    with pytest.raises(Incorrect, match="expected at most 60"):
        check_at_most("x", value, 60)


def test_a_notebook_shows_the_sentence_and_no_traceback() -> None:
    assert Incorrect("incorrect: x is 1")._render_traceback_() == ["incorrect: x is 1"]


@pytest.mark.parametrize("answer", [42, "text", print, type])
def test_what_is_no_function_of_a_cell_is_incorrect(answer: object) -> None:
    with pytest.raises(Incorrect, match="expected a function"), cell_file(answer):
        pass


# Several processes at once


def test_what_a_call_raises_in_another_process_is_raised_here(tmp_path: Path) -> None:
    answer = tmp_path / "answer.py"
    answer.write_text("print('loud')\ndef take(x):\n    print('loud')\n    raise ValueError(f'no {x}')\n")
    with pytest.raises(RuntimeError, match="ValueError: no 7"):
        call_concurrently(answer, "take", [[7]], processes=1)
    with pytest.raises(RuntimeError, match="KeyError: 'give'"):
        call_concurrently(answer, "give", [[7]], processes=1)
    answer.write_text("def take(x):\n    raise NotImplementedError()\n")
    with pytest.raises(NotImplementedError):
        call_concurrently(answer, "take", [[7]], processes=1)


def test_the_processes_of_the_calls_are_given_no_secret_of_the_grader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABKIT_SEED", "known-secret")
    answer = tmp_path / "answer.py"
    answer.write_text("import os\ndef take(name):\n    assert name not in os.environ\n")
    call_concurrently(answer, "take", [["LABKIT_SEED"]], processes=1)


def test_calls_that_wait_for_each_other_are_ended(tmp_path: Path) -> None:
    answer = tmp_path / "answer.py"
    answer.write_text("from threading import Lock\nlock = Lock()\ndef take(x):\n    lock.acquire()\n")
    with pytest.raises(RuntimeError, match="the 1 s for all calls are over"):
        call_concurrently(answer, "take", [[7]], limit=1)


# The command


def labkit(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command."""
    status = 0
    try:
        main(arguments)
    except SystemExit as end:
        status = int(end.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


def test_assignment_writes_a_copy_of_each_and_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = labkit(capsys, "assignment", str(tmp_path / "new" / "folder"))
    assert (status, err) == (0, "")
    written = [Path(line) for line in out.splitlines()]
    assert [path.name for path in written] == list(exercises())
    for path, notebook in zip(written, NOTEBOOKS.values(), strict=True):
        assert json.loads(path.read_text(encoding="utf-8")) == student_copy(notebook)


def test_assignment_can_write_those_of_one_walkthrough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert labkit(capsys, "assignment", str(tmp_path), "--only", "01", "--only", "03")[0] == 0
    assert sorted(path.name[:2] for path in tmp_path.iterdir()) == ["01", "03"]
    status, out, err = labkit(capsys, "assignment", str(tmp_path), "--only", "77")
    assert (status, out) == (2, "")
    assert err.startswith("labkit: no exercises start with '77'; there are: 00_start_here_exercises.ipynb, ")


def test_assignment_keeps_what_is_there_and_writes_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = tmp_path / "01_polling_exercises.ipynb"
    answers.write_text("a night's work")
    status, out, err = labkit(capsys, "assignment", str(tmp_path))
    assert status == 0
    assert [Path(line).name[:2] for line in out.splitlines()] == [n for n in NOTEBOOKS if n != "01"]
    assert err == f"labkit: {answers} exists, may contain answers, and was kept\n"
    assert answers.read_text() == "a night's work"
    assert len(list(tmp_path.iterdir())) == len(NOTEBOOKS)


@pytest.mark.parametrize("only", [(), ("--only", "01")])
def test_assignment_overwrites_no_answers_unless_told_to(
    only: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert labkit(capsys, "assignment", str(tmp_path), *only)[0] == 0
    answers = tmp_path / "01_polling_exercises.ipynb"
    answers.write_text("a night's work")
    status, out, err = labkit(capsys, "assignment", str(tmp_path), *only)
    assert (status, out) == (2, "")
    assert err.startswith("labkit: these exist and may contain answers (--force overwrites them): ")
    assert str(answers) in err
    assert len(err.splitlines()) == 1
    assert answers.read_text() == "a night's work"
    assert labkit(capsys, "assignment", str(tmp_path), *only, "--force")[0] == 0
    assert json.loads(answers.read_text(encoding="utf-8")) == student_copy(NOTEBOOKS["01"])


def test_assignment_into_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    status, _, err = labkit(capsys, "assignment", str(tmp_path / "file"))
    assert (status, len(err.splitlines())) == (2, 1)


# nbgrader itself

GRADES = """
import json
from nbgrader.api import Gradebook

with Gradebook("sqlite:///gradebook.db") as book:
    print(json.dumps({
        submission.student.id: {
            grade.name: [grade.auto_score, grade.max_score]
            for notebook in submission.notebooks for grade in notebook.grades
        } for submission in book.assignment_submissions("exercises")
    }))
"""


@pytest.mark.soak
def test_nbgrader_gives_full_marks_to_the_solutions_and_hardly_any_to_copies_and_lazy_ways(tmp_path: Path) -> None:
    """The files of the repository, unchanged, through the commands of the teachers' page; a student a lazy way."""
    environment = {**os.environ, "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))}

    def run(*command: str) -> str:
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1800)
        assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-3000:]
        return ran.stdout

    def submit(student: str, answers: Cells) -> None:
        folder = tmp_path / "submitted" / student / "exercises"
        write_assignment(folder)
        for path in folder.iterdir():
            notebook = json.loads(path.read_text(encoding="utf-8"))
            path.write_text(json.dumps(answered(notebook, answers)), encoding="utf-8")

    (config,) = re.findall(r"```py\n(.*?)```", TEACHERS, re.DOTALL)
    generate, *grade = re.findall(r"^\$ (nbgrader .*)$", TEACHERS, re.MULTILINE)
    (tmp_path / "nbgrader_config.py").write_text(config, encoding="utf-8")
    shutil.copytree(ROOT / "notebooks" / "exercises", tmp_path / "source" / "exercises")
    run(*generate.split())
    for path in (tmp_path / "release" / "exercises").iterdir():
        assert code(json.loads(path.read_text(encoding="utf-8"))) == code(student_copy(NOTEBOOKS[path.name[:2]]))

    submit("untouched", {})
    submit("solution", {id: source for notebook in NOTEBOOKS.values() for id, source in code(notebook).items()})
    ways = {exercise: [param.values for param in LAZY if param.values[1] == exercise] for exercise in ANSWERS}
    for number in range(max(map(len, ways.values()))):
        submit(f"lazy-{number}", {f"{name}-answer": each[number % len(each)][2] for name, each in ways.items()})
    for command in grade:
        run(*command.split())

    grades = json.loads(run(sys.executable, "-c", GRADES))
    checks = {id for notebook in NOTEBOOKS.values() for id in role(notebook, "grade")}
    assert all(set(given) == checks for given in grades.values())
    assert all(score == most for score, most in grades.pop("solution").values())
    assert not any(score for score, _ in grades.pop("untouched").values())
    assert len(grades) == max(map(len, ways.values()))
    for student, given in grades.items():
        found_out = {each[int(student[-1]) % len(each)][3] for each in ways.values()}
        assert {id for id, (score, _) in given.items() if score} <= checks - found_out, student
        assert sum(score for score, _ in given.values()) <= 1
