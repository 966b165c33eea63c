"""What the books say, for whoever scrapes: read at that moment, so that a process that runs no mission tells it too."""

from __future__ import annotations

from collections.abc import Sequence

from nextgeneration.credits.schema import ReportLine, Standing
from nextgeneration.credits.service import Overview
from nextgeneration.credits.units import MICRO
from nextgeneration.kernel.errors import NGError
from nextgeneration.observability.metrics import Family
from nextgeneration.server.recorded import Recorded

MODELS, LIMITS = 50, 100
"""Most series of a kind: the dearest models, and the limits of which most is used."""

OTHER = "other"

_LIMIT = ("account", "period", "kind")


async def families_of(recorded: Recorded) -> list[Family]:
    """The books as metrics; when they cannot be read, only that."""
    try:
        books = (await recorded.records()).credits
        overview, models = await books.overview(open_limit=0), await books.report("model")
    except NGError:
        return [_readable(0)]
    return [_readable(1), *_spent(models), *_limited(overview)]


def _readable(whether: int) -> Family:
    return _alone("credits_ledger_readable", "Whether the books could be read.", whether)


def _alone(name: str, about: str, value: int) -> Family:
    samples: dict[tuple[str, ...], float] = {(): value}
    return Family("gauge", name, about, samples)


def _spent(models: Sequence[ReportLine]) -> list[Family]:
    shown = [((line.name,), line) for line in models[:MODELS]] + [((OTHER,), line) for line in models[MODELS:]]
    spent: dict[tuple[str, ...], float] = {}
    calls: dict[tuple[str, ...], float] = {}
    unconfirmed: dict[tuple[str, ...], float] = {}
    held: dict[tuple[str, ...], float] = {}
    for labels, line in shown:
        for sums, value in (
            (spent, line.charged / MICRO),
            (calls, float(line.calls)),
            (unconfirmed, line.unconfirmed / MICRO),
            (held, line.held / MICRO),
        ):
            sums[labels] = sums.get(labels, 0.0) + value
    by = ("model",)
    return [
        Family("counter", "credits_ledger_spent", "Credits charged, as the books have it.", spent, by),
        Family("counter", "credits_ledger_calls", "Calls in the books.", calls, by),
        Family("counter", "credits_ledger_unconfirmed", "Of them charged in full, unconfirmed.", unconfirmed, by),
        Family("gauge", "credits_ledger_held", "Credits held by calls that are not settled.", held, by),
    ]


def _limited(overview: Overview) -> list[Family]:
    standings = sorted(overview.standings, key=_share, reverse=True)
    shown = {_labels(standing): standing for standing in standings[:LIMITS]}

    def gauge(name: str, about: str, value: dict[tuple[str, ...], int]) -> Family:
        return Family("gauge", name, about, {labels: micro / MICRO for labels, micro in value.items()}, _LIMIT)

    return [
        gauge("credits_limit", "Credits of a period, grants included.", {k: s.cap for k, s in shown.items()}),
        gauge("credits_limit_spent", "Credits of them that are spent.", {k: s.spent for k, s in shown.items()}),
        gauge("credits_limit_held", "Credits of them that calls hold.", {k: s.held for k, s in shown.items()}),
        _alone("credits_limits_not_shown", "Limits beyond those shown.", max(len(standings) - LIMITS, 0)),
        _alone("credits_stopped_accounts", "Accounts that wait for a human.", len(overview.stops)),
    ]


def _labels(standing: Standing) -> tuple[str, ...]:
    limit = standing.limit
    return (limit.account, limit.per.value, "soft" if limit.soft else "hard")


def _share(standing: Standing) -> float:
    return (standing.spent + standing.held) / standing.cap if standing.cap else float("inf")
