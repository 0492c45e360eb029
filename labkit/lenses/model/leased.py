"""A webhook whose subscription is renewed, and verified again once its lease has ended."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from labkit.approaches import Hybrid, Leased, Webhook
from labkit.approaches.leased import expiry
from labkit.arrivals import EPOCH
from labkit.clock import NANO, nanoseconds
from labkit.event import timestamp
from labkit.lenses.model import combined, pushed, sizes
from labkit.lenses.model.attempts import ends_with
from labkit.lenses.model.history import Given, History, Sent, once
from labkit.lenses.model.outages import NEVER
from labkit.lenses.model.pages import Line
from labkit.network import TIMEOUT


@dataclass(frozen=True)
class Request:
    """A request for a new lease: a renewal, or a verification."""

    verifies: bool
    sent: int
    ended: int
    carried: bool
    answered: bool
    challenged: bool
    """Whether the source has sent its challenge."""
    starts: int
    """When a new lease starts, or NEVER; the answer may be lost after that."""
    gone: bool
    """Whether the lease has ended, so that an answer is 410."""
    end: str
    """The end of the lease, which an answer names."""


def leased(given: Given) -> History:
    """`Leased`: the deliveries of a webhook, or those and the polls of a hybrid, and the requests for a new lease."""
    found, approach = _beneath(_subscribed(given)), given.approach
    assert isinstance(approach, Leased)
    recorded = sizes.exchanges(replace(approach, reconcile_interval=0.0, forgotten=1.0), pushed.RUN)
    shown = next(each for each in recorded if each.path.endswith("/verify")).answer
    answer = pushed.whole(shown) - len(timestamp(EPOCH + approach.ttl))
    late = [each for each in sizes.exchanges(Leased(10.0, 0.0), 10.0) if each.kind == "action"]
    renewal, verification = (pushed.whole(each.request) for each in late)
    gone = pushed.whole(late[0].answer) - len(timestamp(EPOCH))

    made = _counted(given)
    carried, answered = ([each for each in made if getattr(each, name)] for name in ("carried", "answered"))
    line = Line(given.horizon)
    for each in carried:
        line.use(each.sent, each.ended, kept=each.answered)
    named = sum(not each.gone for each in answered)
    requests = Sent(
        requests=len(made),
        errors=len(made) - named,
        bytes_out=sum(verification if each.verifies else renewal for each in carried),
        bytes_in=sum((gone if each.gone else answer) + len(each.end) for each in answered),
        connections=line.connections,
        held=line.total(),
        named_answers=named,
        at=(np.array([each.sent for each in made], dtype=np.int64),),
    )
    setup = pushed.setup_of(recorded) + sum(each.challenged for each in made)
    return replace(found, given=given, sent=found.sent + requests, setup=setup)


def _beneath(subscribed: Given) -> History:
    """What the approach that is leased does."""
    return (combined.hybrid if isinstance(subscribed.approach, Hybrid) else pushed.webhook)(subscribed)


@once
def _subscribed(given: Given) -> Given:
    """The approach that is leased, which is sent a delivery for each event that occurs during a lease."""
    approach = given.approach
    assert isinstance(approach, Leased)
    starts = [_first_lease(given), *(each.starts for each in _counted(given) if each.starts < NEVER)]
    at = np.array(starts, dtype=np.int64)
    last = at[np.searchsorted(at, given.occurred) - 1]  # an event at the instant at which a lease starts is before it
    active = given.occurred < last + nanoseconds(approach.ttl)
    interval = approach.reconcile_interval
    beneath = Hybrid(interval) if interval else Webhook()
    return replace(given, approach=beneath, subscribed=active, part_of=approach)


def _first_lease(given: Given) -> int:
    """It starts when the source has verified the URL again, three delays after the request for it.

    This request is sent before t = 0, by half a second and twice the six delays that the set-up takes.
    """
    return -NANO // 2 - 12 * given.delay + 3 * given.delay


@once
def _counted(given: Given) -> list[Request]:
    """The requests up to the horizon."""
    return list(takewhile(lambda each: each.sent < given.horizon, _requests(given)))


def _requests(given: Given) -> Iterator[Request]:
    """Renew in time, until a renewal is forgotten. One that fails is tried again, and after a 410 comes a verification.

    With a lease of 60 s from -0.5 s on that is renewed 10 s before its end, and the source down from 45 to 65 s:
    renewals at 49.5, 54.5, … s fail with a `retry_wait` of 5 s, and that at 69.5 s is answered 410.
    """
    approach, epoch = given.approach, nanoseconds(given.epoch)
    assert isinstance(approach, Leased)
    chance, outages, at = random.Random(f"{approach.seed}/consumer-1"), given.outages("action"), 0
    ttl, wait = nanoseconds(approach.ttl), nanoseconds(approach.retry_wait)
    ends = _first_lease(given) + ttl
    known = timestamp((epoch + ends) / NANO)
    while chance.random() >= approach.forgotten:
        at, verifies = max(at, nanoseconds(expiry(given.epoch, known) - approach.renew_before)), False
        while True:
            trips = 2 if verifies else 1
            ended, carried, cut, answered = ends_with(outages, at, 2 * trips * given.delay)
            challenged = verifies and carried and at + given.delay < cut
            decided = at + (2 * trips - 1) * given.delay
            gone = not verifies and decided >= ends
            starts = decided if carried and decided < cut and not gone else NEVER
            if starts < NEVER:
                ends = starts + ttl
            named = timestamp((epoch + ends) / NANO)
            yield Request(verifies, at, ended, carried, answered, challenged, starts, gone, named)
            at = ended
            if answered and not gone:
                known = named
                break
            verifies = answered  # by a 410
            if not verifies:
                at += wait


def check(given: Given) -> None:
    """Refuse what a webhook refuses, what differs between consumers, and some verifications: of an endpoint that may
    rest or be switched off, and after the horizon, while the run is not settled.
    """
    approach, profile = given.approach, given.scenario.retries
    assert isinstance(approach, Leased)
    if 0 < approach.forgotten < 1 and given.scenario.consumers > 1:
        share = f"each consumer forgets other renewals, got a share of {approach.forgotten:g}"
        raise ValueError(f"{share} and {given.scenario.consumers:,} consumers: use the virtual lens")
    pushed.check_kinds(given, "action", "setup")
    subscribed = _subscribed(given)
    pushed.check(subscribed)
    over = max([_beneath(subscribed).over, *(each.ended for each in _counted(given))])
    for each in takewhile(lambda each: each.sent <= over or each.sent < given.horizon, _requests(given)):
        if each.verifies and 4 * given.delay >= nanoseconds(TIMEOUT):
            takes = f"a verification takes {4 * given.delay / NANO:g} s, and the client's timeout is {TIMEOUT:g} s"
            raise ValueError(f"{takes}: use the virtual lens")
        if each.verifies and (profile.rest or profile.off):
            rule = "the model lens needs a profile without rest and off where a lease ends"
        elif each.verifies and each.sent >= given.horizon and each.sent + given.delay <= over:
            rule = "the model lens needs leases that last until the end of the run"
        else:
            continue
        raise ValueError(f"{rule}, got a verification at {each.sent / NANO:g} s: use the virtual lens")
