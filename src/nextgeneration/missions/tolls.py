"""Tools with a price: what a call costs is held with its intent and settled with its outcome, as a model call's is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from nextgeneration.credits.errors import HoldRefused
from nextgeneration.credits.schema import Hold, HoldStatus, Limit, Scopes, SoftWarning
from nextgeneration.credits.service import Credits
from nextgeneration.credits.units import from_credits
from nextgeneration.kernel.clock import iso
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.tools import Tool, ToolSpec
from nextgeneration.missions.delegating import delegating
from nextgeneration.missions.holding import Ending, ending, hold_for
from nextgeneration.missions.leases import Draft
from nextgeneration.missions.spending import Spend, agreed_to, asked_for, over_limit
from nextgeneration.storage.database import Connection

if TYPE_CHECKING:
    from nextgeneration.missions.effects import Door

logger = logging.getLogger(__name__)

ACCOUNT = "tool:{name}"
"""What stands in the place of the model in the books, so that reports and limits know a tool by its name."""


class Tolls:
    """What a call of each tool costs.

    Args:
        books: where it is held and charged.
        prices: credits for each call, by patterns of names as in permissions; of several that fit the longest decides.
    """

    def __init__(self, books: Credits, prices: Mapping[str, Decimal]) -> None:
        self.books = books
        self._prices = prices
        self._known: dict[str, int] = {}

    def of(self, tool: Tool) -> int:
        """Micro-credits of one call; 0: it has no price, or is no call: the calls below an agent's have theirs."""
        if delegating(tool) or isinstance(tool, Spend):
            return 0
        spec = tool.spec
        found = self._known.get(spec.name)
        if found is None:
            found = self._known[spec.name] = price_of(spec, self._prices)
        return found


def price_of(spec: ToolSpec, prices: Mapping[str, Decimal]) -> int:
    """Micro-credits of one call of a tool; 0: no price fits its name or one of its other names."""
    names = [name.casefold() for name in (spec.name, *spec.aliases)]
    fitting = [
        (len(pattern), from_credits(price))
        for pattern, price in prices.items()
        if any(fnmatchcase(name, pattern.casefold()) for name in names)
    ]
    return max(fitting, default=(0, 0))[1]


class _Warned(Exception):
    """Undoes the transaction: a soft limit asks before the call is begun."""

    def __init__(self, warning: SoftWarning) -> None:
        super().__init__(warning.limit.key)
        self.warning = warning


class Toll:
    """One call's price on its way through the books.

    Attributes:
        price: of one try, in micro-credits.
        earlier: what tries cost whose process died.
        charged: what this one cost so far.
    """

    def __init__(
        self, door: Door, books: Credits, key: str, name: str, scopes: Scopes, limits: tuple[Limit, ...], price: int
    ) -> None:
        self._door = door
        self._claim = door.claim
        self._books = books
        self._key = key
        self._name = name
        self._scopes = scopes
        self._limits = limits
        self._hold: Hold | None = None
        self._written = False
        self.price = price
        self.earlier = 0
        self.charged = 0

    @property
    def cost(self) -> int:
        """What all tries cost."""
        return self.earlier + self.charged

    async def look_back(self) -> None:
        """Find out what earlier tries cost."""
        ledger, tenant = self._books.ledger, self._scopes.tenant
        line = await self._claim.shared.storage.read(lambda c: ledger.tried(c, self._key, tenant=tenant))
        self.earlier = line.charged

    async def held(self, attempt: Callable[[], Coroutine[Any, Any, None]], seconds: float) -> None:
        """Make the transaction that begins the call, in which :meth:`hold` is called; wait in turn until it fits.

        Raises:
            OverBudget, EffectRefused: it does not fit.
            Parked: a soft limit would be passed, and a human is asked.
            NGError: what ``attempt`` raises.
        """
        wait = min(self._books.settings.credit_wait_seconds, max(seconds, 0.0))
        while True:
            hold = self._begun()
            try:
                await self._books.queue.held(self._scopes, self.price, attempt, wait)
                return
            except _Warned as asking:
                self._drop(hold)
                await asked_for(self._door, asking.warning)
            except HoldRefused as error:
                self._drop(hold)
                self._books.figures.refused(error)
                raise over_limit(error, self._name, self._claim.mission) from None
            except (NGError, asyncio.CancelledError):
                if self._written:
                    await self.give_back()
                else:
                    self._drop(hold)
                raise

    def _begun(self) -> Hold:
        self._hold = hold = hold_for(self._claim, self._key, self.price, self._scopes, self._limits)
        self._claim.holds.add(hold.id)
        return hold

    def _drop(self, hold: Hold) -> None:
        self._claim.holds.discard(hold.id)
        self._hold = None

    def hold(self, connection: Connection) -> None:
        """Hold the price, in the transaction that journals the intent.

        Raises:
            HoldWaits, HoldRefused: it does not fit.
        """
        assert self._hold is not None  # noqa: S101 - it is called by what `held` runs
        for warning in self._books.ledger.hold(connection, self._hold):
            if not agreed_to(self._door, warning):
                raise _Warned(warning)

    def written(self) -> None:
        """The intent is on disk, and with it the hold."""
        self._written = True

    def ending(self, at: str, status: HoldStatus = HoldStatus.SETTLED) -> Ending | None:
        """The end of the hold, which is then this call's no more; ``None``: there is none."""
        hold = self._hold
        if hold is None:
            return None
        self._hold = None
        self.charged = 0 if status is HoldStatus.RELEASED else hold.amount
        cost = None if status is HoldStatus.UNCONFIRMED else self.charged
        return ending(self._claim, self._books, hold, cost, status, at)

    async def give_back(self) -> None:
        """Release what was held for a call that is not made after all."""
        await self._end(HoldStatus.RELEASED, "credits.released")

    async def lost(self) -> None:
        """Charge a call that was cut off: what came of it is not known."""
        await self._end(HoldStatus.UNCONFIRMED, "credits.unconfirmed")

    async def _end(self, status: HoldStatus, kind: str) -> None:
        """End the hold by itself. When that cannot be written, it is charged with the end of the attempt."""
        hold = self._hold
        if hold is None or self._claim.over:
            return
        end = self.ending(iso(self._claim.clock.now()), status)
        if end is None:
            return
        draft = Draft(kind, {"hold": hold.id, "tool": self._name}, self._scopes.task)
        try:
            await self._claim.commit(draft, change=end.change, answer=True, then=end.then)
        except NGError as error:
            logger.warning("%s stays held: %s (%s)", hold.id, error, error.code)
