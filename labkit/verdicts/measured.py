"""The matrix: every approach in every case under every profile, held against what is expected."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from labkit.approaches import Approach, Polling, Webhook
from labkit.arrivals import poisson
from labkit.experiment import Job, run_all
from labkit.faults import Outage
from labkit.lenses import VirtualLens
from labkit.policies import RetryProfile
from labkit.result import Result
from labkit.scenario import Scenario
from labkit.verdicts.expected import CASES, RECOVERS, SETTINGS, check_known, faults_of, reason_why_not

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["holds", "cannot", "fails", "not in this lens"]
PROFILES = ("standard_webhooks", "svix", "brevo", "slack", "github", "gitlab")
"""The profiles of the whole matrix: a long schedule, two others, a short one, none, and one that switches off."""
PER_HOUR, DURATION = 12, 21_600.0
"""The scenario: events per hour, and seconds."""
SLOWER = 1.0
"""An event is affected if it is so many seconds later than without the fault, or lost."""


@dataclass(frozen=True)
class Row:
    """One run's verdict. Latencies are in seconds, of the affected events that arrived; None if there are none."""

    case: str
    approach: str
    profile: str
    """"" for an approach that reads none."""
    verdict: Verdict
    reason: str
    events: int = 0
    lost: int = 0
    doubled: int = 0
    """Events with more than one effect."""
    affected: int = 0
    latency_mean: float | None = None
    latency_max: float | None = None
    recovered_by: str = ""
    noticed: str = ""
    """What somebody could have seen."""

    def record(self) -> dict[str, Any]:
        return asdict(self)


def prepared(approach: type[Approach]) -> Approach:
    """An approach as the matrix runs it: by default, but for the table's SETTINGS."""
    return approach(**SETTINGS.get(approach.name, {}))


def scenario_of(case: str, retries: RetryProfile, seed: int = 0) -> Scenario:
    """The matrix's scenario with the fault of a case; "" is none."""
    return Scenario(poisson(PER_HOUR, DURATION, seed=seed), seed=seed, retries=retries,
                    faults=faults_of(case) if case else ())  # fmt: skip


def matrix(
    approaches: Sequence[Approach], profiles: dict[str, RetryProfile], seed: int = 0, cases: Sequence[str] | None = None
) -> Iterator[Row]:
    """The rows, as the runs end: one per case (all of them unless said) and approach, and per profile if it is called.

    Raises ValueError for an approach, a fault or a sender that the table of expected verdicts lacks, before any run.
    """
    check_known((approach.name for approach in approaches), senders=profiles)
    cases, lens = tuple(CASES) if cases is None else cases, VirtualLens()
    able = [approach for approach in approaches if lens.name in approach.lenses]
    for approach in approaches:
        if approach not in able:
            for case in cases:
                yield Row(case, approach.name, "", "not in this lens",
                          f"it is for the {' or '.join(approach.lenses)} lens")  # fmt: skip
    without = {approach: lens.run(scenario_of("", RetryProfile(), seed), approach) for approach in able}
    places: list[tuple[str, str]] = []
    jobs: list[Job] = []
    for case in cases:
        for approach in able:
            for name, retries in profiles.items() if approach.called else [("", RetryProfile())]:
                places.append((case, name))
                jobs.append((scenario_of(case, retries, seed), approach))
    for number, result in run_all(lens, jobs, None, frames=True):
        (case, profile), approach = places[number], jobs[number][1]
        if isinstance(result, Result):
            yield judged(case, profile, result, without[approach])
        else:
            yield Row(case, approach.name, profile, "fails", f"{type(result).__name__}: {result}")


def judged(case: str, profile: str, result: Result, baseline: Result) -> Row:
    """The verdict of a run: its losses and effects against the expected ones, in both directions."""
    receipts, without = result.receipts, baseline.receipts
    later = ~(receipts.latency <= without.latency + SLOWER)
    late = receipts[later & receipts.latency.notna()]
    lost = int(receipts.latency.isna().sum())
    doubled = int(((receipts.effects if result.approach.called else receipts.copies) > 1).sum())
    reason = reason_why_not(case, result.approach.name, profile)
    verdict: Verdict = "holds"
    if doubled:
        verdict, reason = "fails", f"{doubled} events had their effect more than once"
    elif lost and not reason:
        verdict, reason = "fails", f"expected to lose nothing, and lost {lost}"
    elif reason and not lost:
        verdict, reason = "fails", f"expected to lose, and lost nothing: {reason}"
    elif reason:
        verdict = "cannot"
    mean, most = (float(late.latency.mean()), float(late.latency.max())) if len(late) else (None, None)
    return Row(
        case=case,
        approach=result.approach.name,
        profile=profile,
        verdict=verdict,
        reason=reason,
        events=len(receipts),
        lost=lost,
        doubled=doubled,
        affected=int(later.sum()),
        latency_mean=mean,
        latency_max=most,
        recovered_by=_recovered_by(result, late),
        noticed=_noticed(result, receipts),
    )


def _recovered_by(result: Result, late: "pd.DataFrame") -> str:
    """What brought the late events, the commonest first."""
    exchanges, means = result.exchanges, RECOVERS[result.approach.name]
    attempts = exchanges[exchanges.kind == "delivery"].groupby("event_id").cumcount()
    words = []
    for number in late.exchange:
        kind = exchanges.kind[number]
        first = kind == "delivery" and attempts[number] == 0
        words.append("late first attempt" if first else means.get(kind, kind))
    return ", ".join(sorted(set(words), key=lambda word: (-words.count(word), word)))


def _noticed(result: Result, receipts: "pd.DataFrame") -> str:
    """What somebody could have seen: errors, 410, dead letters, events that the source never sent, recovered ones."""
    exchanges = result.exchanges[result.exchanges.kind != "setup"]
    deliveries = exchanges[exchanges.kind == "delivery"]
    lost = set(receipts.event_id[receipts.latency.isna()])
    sent = set(deliveries.event_id)
    unnamed = sent and sent.isdisjoint(receipts.event_id)  # batches and notices have ids of their own
    tried = lost if unnamed else lost & sent
    seen = {
        "error requests": int((exchanges.error.isin(["", "unanswered"]) & (exchanges.status < 400)).eq(False).sum()),
        "answers 410": int((exchanges.status == 410).sum()),
        "dead letters": len(tried) if result.approach.called else 0,
        "not sent, endpoint off": len(lost - tried) if result.approach.called else 0,
        "recovered": int(result.recovered()),
    }
    return ", ".join(f"{number} {what}" for what, number in seen.items() if number) or "nothing"


def outage_results(profiles: dict[str, RetryProfile], seed: int = 1) -> list[Result]:
    """About 120 events while the receiver is down for 20 minutes: polled every 60 s, and by webhook per profile."""
    length = float(CASES["outage:target=receiver"]["duration"])
    events, outage = poisson(360, length, seed=seed), (Outage(start=0, duration=length),)
    runs: list[Job] = [(Scenario(events, seed=seed, faults=outage), Polling())]
    runs += [(Scenario(events, seed=seed, retries=each, faults=outage), Webhook()) for each in profiles.values()]
    return [VirtualLens().run(*run) for run in runs]
