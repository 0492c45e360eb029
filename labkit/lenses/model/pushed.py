"""Deliveries without failures: each is sent when its event occurs."""

import json

import numpy as np
from numpy.typing import NDArray

from labkit.approaches import Thin
from labkit.arrivals import EARLIEST
from labkit.clock import NANO
from labkit.event import to_json
from labkit.lenses.model import sizes
from labkit.lenses.model.history import Given, History, Instants, Sent, concurrent, digits
from labkit.lenses.model.sizes import PROBE, Message, Recorded

RUN = 1.0
"""Seconds of the recorded run."""


def webhook(given: Given) -> History:
    """One delivery per event, received after one delay."""
    recorded = sizes.exchanges(given.approach, RUN)
    sent = given.occurred[given.wanted]
    bodies = lengths(given.documents)[given.wanted]
    made = delivered(given, recorded, sent, ids(given), bodies, 2 * given.delay)
    return History(given, sent + given.delay, made, setup_of(recorded))


def thin(given: Given) -> History:
    """One delivery without data per event, and one fetch, whose answer brings the event after three delays."""
    recorded, sent = sizes.exchanges(given.approach, RUN), given.occurred
    full = lengths(given.documents)
    thin = lengths([to_json({**json.loads(each), "data": {}}) for each in given.documents])
    made = delivered(given, recorded, sent, ids(given), thin, 4 * given.delay)
    made.empty = made.requests
    fetch = next(each for each in recorded if each.kind == "fetch")
    fetched_at = sent + given.delay
    counted = fetched_at < given.horizon
    ends = fetched_at + 2 * given.delay
    connections, held = concurrent(fetched_at[counted].tolist(), ends[counted].tolist(), given.horizon)
    fetches = Sent(
        requests=int(counted.sum()),
        bytes_out=int((fetch.request.fixed - len(PROBE.id) + ids(given))[counted].sum()),
        bytes_in=int((fetch.answer.fixed + full + digits(full))[counted].sum()),
        connections=connections,
        held=held,
    )
    return History(given, sent + 3 * given.delay, made + fetches, setup_of(recorded))


def delivered(
    given: Given,
    recorded: tuple[Recorded, ...],
    sent: Instants,
    id_lengths: NDArray[np.int64],
    bodies: NDArray[np.int64],
    takes: int,
) -> Sent:
    """Deliveries at some instants, in order, each answered after `takes` nanoseconds."""
    delivery = next(each for each in recorded if each.kind == "delivery")
    counted = sent < given.horizon
    epoch = max(given.scenario.arrivals.epoch, EARLIEST)
    unix = digits(np.floor(epoch + sent / NANO).astype(np.int64))
    out = delivery.request.fixed + id_lengths + unix + bodies + digits(bodies)
    connections, held = concurrent(sent[counted].tolist(), (sent[counted] + takes).tolist(), given.horizon)
    return Sent(
        requests=int(counted.sum()),
        bytes_out=int(out[counted].sum()),
        bytes_in=int(counted.sum()) * whole(delivery.answer),
        connections=connections,
        held=held,
        named=int(counted.sum()),
    )


def whole(message: Message) -> int:
    """Bytes of a message that is always the same."""
    return message.fixed + message.body + sum(map(len, message.varying.values()))


def setup_of(recorded: tuple[Recorded, ...]) -> int:
    return sum(each.kind == "setup" for each in recorded)


def lengths(documents: list[bytes]) -> NDArray[np.int64]:
    return np.array([len(each) for each in documents], dtype=np.int64)


def ids(given: Given) -> NDArray[np.int64]:
    """The lengths of the ids of the wanted events."""
    return np.array([len(event.id) for event in given.events], dtype=np.int64)[given.wanted]


def check(given: Given) -> None:
    """Refuse answers that come too late, and deliveries that wait for others."""
    trips = 2 if isinstance(given.approach, Thin) else 1
    check_times(given, 2 * trips * given.delay, trips)


def check_times(given: Given, outstanding: int, trips: int) -> None:
    """The same, if an event is outstanding for so many nanoseconds, and a delivery takes so many round trips."""
    retries, sent = given.scenario.retries, given.occurred[given.wanted]
    if (takes := 2 * trips * given.scenario.delay) >= retries.timeout:
        limit = f"the source's timeout is {retries.timeout:g} s"
        raise ValueError(f"a delivery takes {takes:g} s, and {limit}: use the virtual lens")
    started = np.searchsorted(sent, sent - outstanding)  # the first that is not yet answered
    at_once = int((np.arange(1, len(sent) + 1) - started).max(initial=0))
    if at_once > retries.in_flight:
        limit = f"the source allows {retries.in_flight}"
        raise ValueError(f"{at_once} deliveries are outstanding at once, and {limit}: use the virtual lens")
