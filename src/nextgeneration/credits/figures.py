"""What was spent, by agent and model, as Prometheus shows it. Counted after the commit: what was undone never was."""

from __future__ import annotations

from collections.abc import Iterator

from nextgeneration.credits.errors import CreditError
from nextgeneration.credits.schema import HoldStatus, Settled
from nextgeneration.credits.units import MICRO
from nextgeneration.observability.metrics import Counts, Family, Timing

_BY = ("agent", "model")


_Values = dict[tuple[str, ...], float]
_TOKENS = ("input", "output", "cached")


class _Spent:
    """What one agent spent with one model."""

    __slots__ = ("calls", "charged", "overrun", *_TOKENS)

    def __init__(self) -> None:
        self.calls: dict[HoldStatus, int] = {}
        self.charged = self.overrun = self.input = self.output = self.cached = 0


class CreditFigures:
    """Counters of one process, counted in its event loop and read from anywhere."""

    def __init__(self, waits: Timing) -> None:
        self._spent: dict[tuple[str, str], _Spent] = {}
        self._refused = Counts()
        self._waits = waits

    def settled(self, settled: Settled) -> None:
        """Count a settlement that was committed."""
        by = (settled.scopes.agent, settled.scopes.model)
        spent = self._spent.get(by)
        if spent is None:
            spent = self._spent[by] = _Spent()
        spent.calls[settled.status] = spent.calls.get(settled.status, 0) + 1
        spent.charged += settled.charged
        spent.overrun += settled.overrun
        usage = settled.usage
        spent.input += usage.input
        spent.output += usage.output
        spent.cached += usage.cached

    def refused(self, error: CreditError) -> None:
        """Count a call that was not made."""
        self._refused.add(error.code)

    def families(self) -> Iterator[Family]:
        """The counters as metrics."""
        spent = self._spent.copy()
        charged: _Values = {by: each.charged / MICRO for by, each in spent.items() if each.charged}
        overrun: _Values = {by: each.overrun / MICRO for by, each in spent.items() if each.overrun}
        calls: _Values = {
            (*by, status.value): n for by, each in spent.items() for status, n in each.calls.copy().items()
        }
        tokens: _Values = {
            (*by, kind): n for by, each in spent.items() for kind in _TOKENS if (n := getattr(each, kind))
        }
        yield Family("counter", "credits_spent", "Credits charged.", charged, _BY)
        yield Family("counter", "credits_overrun", "Credits charged beyond the worst case.", overrun, _BY)
        yield Family("counter", "credits_calls", "Calls settled.", calls, (*_BY, "status"))
        yield Family("counter", "credits_tokens", "Tokens of settled calls.", tokens, (*_BY, "kind"))
        yield Family("counter", "credits_refused", "Calls refused, by error code.", self._refused.values(), ("code",))
        waits: dict[tuple[str, ...], Timing] = {(): self._waits}
        yield Family("summary", "credits_wait_seconds", "Waiting for what other calls held.", waits)
