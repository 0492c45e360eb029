"""Deliveries: each is sent when its event occurs, and again by the retry profile until it is answered."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from labkit.clock import NANO, nanoseconds
from labkit.event import to_json
from labkit.ledger import Kind
from labkit.lenses.model import sizes
from labkit.lenses.model.attempts import Attempts, check_health, check_in_flight, play
from labkit.lenses.model.history import Given, History, Instants, Sent, concurrent, digits, lengths, once
from labkit.lenses.model.outages import NEVER
from labkit.lenses.model.sizes import PROBE, Message, Recorded
from labkit.source.dispatcher import message
from labkit.source.outbox import Delivery
from labkit.source.store import Subscription

Group = tuple[Delivery, ...]
"""The deliveries of one request."""
RUN = 1.0
"""Seconds of the recorded run."""


def webhook(given: Given) -> History:
    """One delivery per event, received after one delay."""
    recorded, made = sizes.exchanges(given.approach, RUN), attempts(given, 2 * given.delay)
    arrived = made.there(given.delay)
    received, copies = receipts(given, made, arrived, given.delay)
    sent = weigh(given, recorded, made, ids(given), full(given), brought=made.first(arrived))
    over = int(made.ended.max(initial=0))
    return History(given, received, sent, setup_of(recorded), received == NEVER, copies, over=over)


def thin(given: Given) -> History:
    """One delivery without data per event, and one fetch, whose answer brings the event after three delays."""
    recorded, delay = sizes.exchanges(given.approach, RUN), given.delay
    made = attempts(given, 4 * delay)
    read = made.there(3 * delay)
    received, copies = receipts(given, made, read, 3 * delay)
    thin = lengths(to_json({**json.loads(each), "data": {}}) for each in given.documents)
    sent = weigh(given, recorded, made, ids(given), thin)
    fetch = next(each for each in recorded if each.kind == "fetch")
    bodies = full(given)
    fetched_at = made.sent + delay
    counted = made.there(delay) & (fetched_at < given.horizon)
    ended = np.minimum(fetched_at + 2 * delay, made.cut)
    connections, held = concurrent(fetched_at[counted], ended[counted], read[counted], given.horizon)
    out = fetch.request.fixed - len(PROBE.id) + ids(given)[made.of]
    into = (fetch.answer.fixed + bodies + digits(bodies))[made.of]
    fetches = Sent(
        requests=int(counted.sum()),
        empty=int((counted & read & ~made.first(read)).sum()),
        errors=int((counted & ~read).sum()),
        bytes_out=int(out[counted].sum()),
        bytes_in=int(into[counted & read].sum()),
        connections=connections,
        held=held,
        at=(fetched_at[counted],),
    )
    return History(given, received, sent + fetches, setup_of(recorded), received == NEVER, copies)


@once
def attempts(given: Given, takes: int) -> Attempts:
    """The attempts of the wanted events, each answered after `takes` nanoseconds if nothing breaks."""
    profile = given.scenario.retries
    wanted = given.wanted if given.subscribed is None else given.wanted & given.subscribed
    events = [given.events[place].id for place in np.flatnonzero(wanted)]
    wait, outages = waits(given), given.outages("delivery", profile.timeout)
    due = given.occurred[wanted].tolist()
    made = play(due, takes, outages, profile, lambda number, attempt: wait(events[number], attempt))
    return replace(made, of=np.flatnonzero(wanted[given.wanted])[made.of])


def waits(given: Given) -> Callable[[str, int], float | None]:
    """The seconds to wait after an attempt, by the id of its event and its number, from 1; None after the last one."""
    profile = given.scenario.retries
    key = "/".join(sizes.jitter_key(given.approach, given.scenario.seed)) if profile.jitter else ""

    def wait(event_id: str, attempt: int) -> float | None:
        return profile.wait(attempt, random.Random(f"{key}/{event_id}/{attempt}"))

    return wait


def receipts(given: Given, made: Attempts, arrived: NDArray[np.bool_], after: int) -> tuple[Instants, int]:
    """When each wanted event arrives first (NEVER: it does not), so long after it was sent, and the copies after it."""
    received = np.full(int(given.wanted.sum()), NEVER)
    first = made.first(arrived)
    received[made.of[first]] = made.sent[first] + after
    return received, int(arrived.sum() - first.sum())


def weigh(
    given: Given,
    recorded: tuple[Recorded, ...],
    made: Attempts,
    id_lengths: NDArray[np.int64],
    bodies: NDArray[np.int64],
    brought: NDArray[np.bool_] | Literal[False] = False,
) -> Sent:
    """Attempts of deliveries with a `webhook-id` and a body each. Those that `brought` an event first are not empty."""
    delivery = next(each for each in recorded if each.kind == "delivery")
    counted = made.sent < given.horizon
    carried, vain = counted & made.carried, counted & np.logical_not(brought)
    unix = digits(np.floor(given.epoch + made.sent / NANO).astype(np.int64))
    out = delivery.request.fixed + (id_lengths + bodies + digits(bodies))[made.of] + unix
    connections, held = concurrent(made.sent[carried], made.ended[carried], made.answered[carried], given.horizon)
    return Sent(
        requests=int(counted.sum()),
        empty=int((vain & made.answered).sum()),
        errors=int((vain & ~made.answered).sum()),
        bytes_out=int(out[carried].sum()),
        bytes_in=int((counted & made.answered).sum()) * whole(delivery.answer),
        connections=connections,
        held=held,
        named=int(carried.sum()),
        at=(made.sent[counted],),
    )


def weigh_written(
    given: Given,
    recorded: tuple[Recorded, ...],
    made: Attempts,
    groups: Sequence[Group],
    brought: NDArray[np.bool_] | Literal[False] = False,
) -> Sent:
    """As `weigh`, for batches and notices, whose bodies are written as they are sent."""
    epoch = nanoseconds(given.epoch)
    written = [written_sizes(group, (epoch + at) / NANO) for group, at in zip(groups, made.sent.tolist(), strict=True)]
    id_lengths, bodies = np.array(written, dtype=np.int64).reshape(-1, 2).T
    return weigh(given, recorded, made, id_lengths, bodies, brought)


def written_sizes(group: Group, unix: float) -> tuple[int, int]:
    """The lengths of a message's id and body: what it has without its events depends on the digits of its instant."""
    doorbell = group[0].subscription.payload == "doorbell"
    id_length, frame = _frame(doorbell, round(unix * 1e6) % 1000 != 0)
    return id_length, frame if doorbell else frame + sum(len(each.body) for each in group) + len(group) - 1


@cache
def _frame(doorbell: bool, microseconds: bool) -> tuple[int, int]:
    """The lengths of the id and of the body without events, as `message` writes them at such an instant."""
    to = Subscription("sub", "", (), "active", "", payload="doorbell" if doorbell else "full", batch_count=2)
    id, body = message((Delivery(to, 0, "", b"", 1, 1, 0),), 1e-6 if microseconds else 0.0)
    return len(id), len(body)


def whole(constant: Message) -> int:
    """Bytes of a message that is always the same."""
    return constant.fixed + constant.body + sum(map(len, constant.varying.values()))


def setup_of(recorded: tuple[Recorded, ...]) -> int:
    """How many exchanges the set-up of a consumer takes."""
    return sum(each.kind == "setup" for each in recorded)


def ids(given: Given) -> NDArray[np.int64]:
    """The lengths of the ids of the wanted events."""
    return lengths(event.id for event in given.events)[given.wanted]


def full(given: Given) -> NDArray[np.int64]:
    """The lengths of the wanted events as they stand on the wire."""
    return given.lengths[given.wanted]


def check(given: Given, trips: int = 1) -> None:
    """Refuse answers that come too late, deliveries that wait for others, and an endpoint that is switched off."""
    check_takes(given, trips)
    made, profile = attempts(given, 2 * trips * given.delay), given.scenario.retries
    check_in_flight(made.sent, made.ended, profile)
    check_health(made, profile)
    check_jitter(given, made)


def check_thin(given: Given) -> None:
    """As `check`, of deliveries that take two round trips, and refuse an outage of only one of the two."""
    check_kinds(given, "delivery", "fetch")
    check(given, trips=2)


def check_kinds(given: Given, one: Kind, other: Kind) -> None:
    """Refuse an outage of one of two kinds of exchange that depend on each other."""
    for fault in given.scenario.faults:
        if fault.kinds and (one in fault.kinds) != (other in fault.kinds):
            needs = f"{given.approach.name} needs outages of both {one} and {other}"
            raise ValueError(f"{needs}, got kinds={'+'.join(fault.kinds)}: use the virtual lens")


def check_takes(given: Given, trips: int) -> None:
    """Refuse deliveries that take so many round trips, if that is too long, or that are not delivered by a 200."""
    profile = given.scenario.retries
    if (takes := 2 * trips * given.scenario.delay) >= profile.timeout:
        limit = f"the source's timeout is {profile.timeout:g} s"
        raise ValueError(f"a delivery takes {takes:g} s, and {limit}: use the virtual lens")
    if profile.verdict(200) != "delivered":
        rule = "the model lens needs a profile by which 200 is a success"
        raise ValueError(f"{rule}, got success={'+'.join(profile.success)}: use the virtual lens")


def check_events(given: Given, made: Attempts, events: int) -> None:
    """Refuse attempts for so many events in all that may switch the endpoint off, or that differ between consumers."""
    off = given.scenario.retries.off
    check_health(made, given.scenario.retries)
    check_jitter(given, made)
    if off.success_below and not made.answered.all() and events >= off.least_attempts:
        raise ValueError(f"the endpoint may be switched off, after {events:,} attempts: use the virtual lens")


def check_jitter(given: Given, made: Attempts) -> None:
    """Refuse jitter, of which each consumer has its own."""
    profile = given.scenario.retries
    if profile.jitter and given.scenario.consumers > 1 and not made.answered.all():
        raise ValueError(
            f"the jitter of {profile.jitter:g} of each wait differs from consumer to consumer,"
            f" got {given.scenario.consumers:,} of them: use the virtual lens"
        )
