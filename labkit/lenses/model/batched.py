"""Batches: deliveries that wait are sent together, and failed ones are sent again with new ones."""

from dataclasses import replace
from heapq import heappop, heappush

import numpy as np

from labkit.approaches import Batched
from labkit.clock import nanoseconds
from labkit.lenses.model import pushed, sizes
from labkit.lenses.model.attempts import Attempts, Rests, Row, ends_with
from labkit.lenses.model.history import Given, History, once
from labkit.lenses.model.outages import NEVER
from labkit.lenses.model.pushed import Group
from labkit.source.outbox import Delivery, batches
from labkit.source.store import Subscription


def batched(given: Given) -> History:
    """`Batched`: each attempt of a batch is one request, and its events are received together."""
    approach = given.approach
    assert isinstance(approach, Batched)
    recorded, (made, groups) = sizes.exchanges(Batched(approach.count, 0.0), pushed.RUN), play(given)
    arrived, received = made.there(given.delay), np.full(len(given.events), NEVER)
    brought, copies = np.zeros(len(groups), dtype=bool), 0
    for number in np.flatnonzero(arrived).tolist():
        for each in groups[number]:
            if received[each.seq] == NEVER:
                received[each.seq], brought[number] = made.sent[number] + given.delay, True
            else:
                copies += 1
    sent = pushed.weigh_written(given, recorded, made, groups, brought)
    return History(given, received, sent, pushed.setup_of(recorded), received == NEVER, copies)


@once
def play(given: Given) -> tuple[Attempts, list[Group]]:
    """The attempts, in the order sent, and the deliveries in each; a delivery's `seq` is its event's place, from 0.

    A batch is sent when it is full, or as soon as one of its deliveries is due: a new one after `max_wait`.
    """
    approach, profile, takes = given.approach, given.scenario.retries, 2 * given.delay
    assert isinstance(approach, Batched)
    to = Subscription("sub", "", (), "active", "", batch_count=approach.count)
    outages, wait = given.outages("delivery", profile.timeout), pushed.waits(given)
    events, documents, longest = given.events, given.documents, nanoseconds(approach.max_wait)
    occurred = [*given.occurred.tolist(), NEVER]
    fresh, again = list[Delivery](), list[tuple[int, int, Delivery]]()
    ending: list[tuple[int, int]] = []  # when each attempt under way ends, and its number
    rows, groups = list[Row](), list[Group]()
    rests, stored, in_flight = Rests(profile.rest), 0, 0
    while True:
        due = min(fresh[0].due_at if fresh else NEVER, again[0][0] if again else NEVER)
        now = min(occurred[stored], ending[0][0] if ending else NEVER, max(due, rests.until))
        if now >= NEVER:
            break
        triggered = due <= now or occurred[stored] <= now
        while occurred[stored] <= now:
            event = events[stored]
            fresh.append(Delivery(to, stored, event.id, documents[stored], 1, 1, now + longest))
            stored += 1
        while ending and ending[0][0] <= now:
            _, number = heappop(ending)
            group, (_, sent, _, _, _, answered) = groups[number], rows[number]
            in_flight -= len(group)
            seconds = None
            if not answered:
                newest = min(group, key=lambda each: each.step)
                seconds = wait(newest.event_id, newest.step)
            rests.ended(now, answered, together=sent < now and triggered, at_once=seconds == 0)
            if seconds is not None:
                for each in group:
                    due_at = now + nanoseconds(seconds)
                    later = replace(each, attempt=each.attempt + 1, step=each.step + 1, due_at=due_at)
                    heappush(again, (due_at, each.seq, later))
        if rests.until > now:
            continue
        ready = list[Delivery]()
        while again and again[0][0] <= now:
            ready.append(heappop(again)[2])
        if not ready and len(fresh) < approach.count and not (fresh and fresh[0].due_at <= now):
            continue
        ready = sorted([*ready, *fresh], key=lambda each: (each.due_at, each.seq)) if ready else fresh
        if in_flight + len(ready) > profile.in_flight:
            limit = f"the source allows {profile.in_flight}"
            raise ValueError(f"{in_flight + len(ready)} deliveries are outstanding, and {limit}: use the virtual lens")
        fresh = []
        for group, full in batches(ready, approach.count):
            if not full and group[0].due_at > now:
                fresh = list(group)
                continue
            ended, carried, cut, answered = ends_with(outages, now, takes)
            heappush(ending, (ended, len(rows)))
            rows.append((len(rows), now, ended, carried, cut, answered))
            groups.append(group)
            in_flight += len(group)
    return Attempts.of_rows(rows), groups


def check(given: Given) -> None:
    """Refuse what `play` refuses, answers that come too late, and an endpoint that is switched off."""
    pushed.check_takes(given, 1)
    made, groups = play(given)
    pushed.check_events(given, made, sum(map(len, groups)))
