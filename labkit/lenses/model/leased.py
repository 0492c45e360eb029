"""A webhook whose subscription is renewed in time."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile

import numpy as np

from labkit.approaches import Hybrid, Leased, Webhook
from labkit.approaches.leased import expiry
from labkit.arrivals import EPOCH
from labkit.clock import NANO, nanoseconds
from labkit.event import timestamp
from labkit.lenses.model import combined, pushed, sizes
from labkit.lenses.model.history import Given, History, Sent, concurrent
from labkit.lenses.model.outages import check_none


def leased(given: Given) -> History:
    """`Leased`: the deliveries of a webhook, or those and the polls of a hybrid, and the renewals."""
    approach = given.approach
    assert isinstance(approach, Leased)
    found = combined.hybrid(_beneath(given)) if approach.reconcile_interval else pushed.webhook(_beneath(given))
    recorded = sizes.exchanges(replace(approach, reconcile_interval=0.0), approach.ttl - approach.renew_before)
    renewal = next(each for each in recorded if each.kind == "action")
    (_, first) = next(_renewals(approach, 0, EPOCH))
    answer = pushed.whole(renewal.answer) - len(first)
    made = list(_made(given, approach))
    sent = np.array([at for at, _ in made], dtype=np.int64)
    connections, held_for = concurrent(sent, sent + 2 * given.delay, np.ones(len(sent), dtype=bool), given.horizon)
    renewals = Sent(
        requests=len(made),
        bytes_out=len(made) * pushed.whole(renewal.request),
        bytes_in=sum(answer + len(expires_at) for _, expires_at in made),
        connections=connections,
        held=held_for,
        named_answers=len(made),
    )
    return replace(found, given=given, sent=found.sent + renewals, setup=pushed.setup_of(recorded))


def _beneath(given: Given) -> Given:
    """The same, with the approach that is leased."""
    approach = given.approach
    assert isinstance(approach, Leased)
    interval = approach.reconcile_interval
    return replace(given, approach=Hybrid(interval) if interval else Webhook())


def _made(given: Given, approach: Leased) -> Iterator[tuple[int, str]]:
    """The renewals up to the horizon."""
    return takewhile(lambda each: each[0] < given.horizon, _renewals(approach, given.delay, given.epoch))


def _renewals(approach: Leased, delay: int, epoch: float) -> Iterator[tuple[int, str]]:
    """When each renewal is sent, and the end of the lease that it is answered with.

    The first lease starts when the source has verified the URL again, three delays after the request for it. This
    request is sent before t = 0, by half a second and twice the six delays that the set-up takes.
    """
    ttl, starts, answered = nanoseconds(approach.ttl), -NANO // 2 - 12 * delay + 3 * delay, 0
    expires_at = timestamp((nanoseconds(epoch) + starts + ttl) / NANO)
    while True:
        sent = max(answered, nanoseconds(expiry(epoch, expires_at) - approach.renew_before))
        if sent + delay >= starts + ttl - NANO // 1_000_000:
            rule = "the model lens needs renewals that reach the source before a lease ends"
            late = f"a lease of {approach.ttl:g} s that is renewed {approach.renew_before:g} s before its end"
            raise ValueError(f"{rule}, got {late}, {delay / NANO:g} s away: use the virtual lens")
        starts, answered = sent + delay, sent + 2 * delay
        expires_at = timestamp((nanoseconds(epoch) + starts + ttl) / NANO)
        yield sent, expires_at


def check(given: Given) -> None:
    """Refuse renewals that are forgotten or late, outages, and what a webhook's deliveries must not be."""
    approach = given.approach
    assert isinstance(approach, Leased)
    check_none(given.scenario.faults, approach.name)
    if approach.forgotten:
        share = f"got a share of {approach.forgotten:g}"
        raise ValueError(f"the model lens has no renewals that are forgotten, {share}: use the virtual lens")
    pushed.check(_beneath(given))
    for _ in _made(given, approach):
        pass
