"""What was spent, by agent and model, as Prometheus shows it. Counted after the commit: what was undone never was."""

from __future__ import annotations

from collections.abc import Iterator

from nextgeneration.credits.errors import CreditError
from nextgeneration.credits.schema import Settled
from nextgeneration.credits.units import MICRO
from nextgeneration.observability.metrics import Counts, Family, Timing

_BY = ("agent", "model")


class CreditFigures:
    """Counters of one process."""

    def __init__(self, waits: Timing) -> None:
        self._spent = Counts()
        self._tokens = Counts()
        self._settled = Counts()
        self._overrun = Counts()
        self._refused = Counts()
        self._waits = waits

    def settled(self, settled: Settled) -> None:
        """Count a settlement that was committed."""
        by = (settled.scopes.agent, settled.scopes.model)
        self._settled.add(*by, settled.status.value)
        if settled.charged:
            self._spent.add(*by, by=settled.charged)
        if settled.overrun:
            self._overrun.add(*by, by=settled.overrun)
        usage = settled.usage
        for kind, tokens in (("input", usage.input), ("output", usage.output), ("cached", usage.cached)):
            if tokens:
                self._tokens.add(*by, kind, by=tokens)

    def refused(self, error: CreditError) -> None:
        """Count a call that was not made."""
        self._refused.add(error.code)

    def families(self) -> Iterator[Family]:
        """The counters as metrics."""
        yield Family("counter", "credits_spent", "Credits charged.", _credits(self._spent), _BY)
        yield Family(
            "counter", "credits_overrun", "Credits charged beyond the worst case.", _credits(self._overrun), _BY
        )
        yield Family("counter", "credits_calls", "Calls settled.", self._settled.values(), (*_BY, "status"))
        yield Family("counter", "credits_tokens", "Tokens of settled calls.", self._tokens.values(), (*_BY, "kind"))
        yield Family("counter", "credits_refused", "Calls refused, by error code.", self._refused.values(), ("code",))
        waits: dict[tuple[str, ...], Timing] = {(): self._waits}
        yield Family("summary", "credits_wait_seconds", "Waiting for what other calls held.", waits)


def _credits(counts: Counts) -> dict[tuple[str, ...], float]:
    return {labels: micro / MICRO for labels, micro in counts.values().items()}
