"""What models cost, known offline, in USD; and what that is in micro-credits."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any

from nextgeneration.kernel.clock import Clock
from nextgeneration.kernel.models import Usage

if TYPE_CHECKING:
    from nextgeneration.settings.models import ModelPrice

MILLION = Decimal(1_000_000)
MICRO = 1_000_000
"""Micro-credits in a credit."""

_SOON = timedelta(hours=1)
_NOTHING = Decimal(0)
_TYPICAL = Usage(input=3_000, output=1_000)


@dataclass(frozen=True, slots=True)
class Rate:
    """USD per million tokens; ``tiers`` replace ``base`` for the whole call when its prompt is longer than they say."""

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def at(self, prompt: int) -> Decimal:
        """The rate for a prompt of so many tokens."""
        rate = self.base
        for start, price in self.tiers:
            if prompt > start:
                rate = price
        return rate

    def most(self, prompt: int) -> Decimal:
        """The dearest rate for a prompt of at most so many tokens."""
        return max([self.base, *(price for start, price in self.tiers if prompt > start)])


@dataclass(frozen=True)
class Price:
    """What one model costs.

    Attributes:
        call: USD for each call, whatever its length.
        source: ``settings``, ``genai-prices`` or ``local``.
    """

    input: Rate
    output: Rate
    cached: Rate
    cache_written: Rate
    call: Decimal = _NOTHING
    source: str = "settings"

    @functools.cached_property
    def typical(self) -> float:
        """USD for a call of usual length, by which models are compared."""
        return float(self.usd(_TYPICAL))

    def usd(self, usage: Usage) -> Decimal:
        """What these tokens cost."""
        prompt = usage.input
        plain = max(prompt - usage.cached - usage.cache_written, 0)
        tokens = (
            plain * self.input.at(prompt)
            + usage.cached * self.cached.at(prompt)
            + usage.cache_written * self.cache_written.at(prompt)
            + usage.output * self.output.at(prompt)
        )
        return tokens / MILLION + self.call

    def worst(self, prompt: int, output: int) -> Decimal:
        """The most that a call of at most these lengths can cost: no discount, and the cache's surcharge on all."""
        dearest = max(self.input.most(prompt), self.cache_written.most(prompt), self.cached.most(prompt))
        return (prompt * dearest + output * self.output.most(prompt)) / MILLION + self.call


FREE = Price(Rate(_NOTHING), Rate(_NOTHING), Rate(_NOTHING), Rate(_NOTHING), source="local")


def micro_credits(usd: Decimal, credit_usd: Decimal) -> int:
    """USD in micro-credits, rounded up: no call is cheaper than it was."""
    return int((usd * MICRO / credit_usd).to_integral_value(ROUND_CEILING))


class PriceBook:
    """Prices by model: the user's own first, else the data that comes with ``genai-prices``, read offline.

    Args:
        own: prices by ``provider:model``.
        clock: some prices depend on the date or hour.
    """

    def __init__(self, own: Mapping[str, ModelPrice], clock: Clock) -> None:
        self._own = {name: _own(price) for name, price in own.items()}
        self._clock = clock
        self._found: dict[tuple[str, str, int], tuple[Price, ...]] = {}

    def now(self, name: str, book: str, model: str) -> Price | None:
        """What the model costs now; ``None`` when nobody knows.

        Args:
            name: ``provider:model``, as in settings.
            book: the provider's name in ``genai-prices``; empty when it is not there.
            model: the model's name at the provider.
        """
        prices = self._of(name, book, model)
        return prices[0] if prices else None

    def worst(self, name: str, book: str, model: str, prompt: int, output: int) -> Decimal | None:
        """The most a call can cost at any price that holds until it ends, in USD."""
        prices = self._of(name, book, model)
        return max(price.worst(prompt, output) for price in prices) if prices else None

    def _of(self, name: str, book: str, model: str) -> tuple[Price, ...]:
        own = self._own.get(name)
        if own is not None:
            return (own,)
        if not book:
            return ()
        moment = self._clock.now()
        key = (book, model, int(moment.timestamp()) // 300)
        if key not in self._found:
            if len(self._found) > 500:
                self._found.clear()
            self._found[key] = tuple(
                price for at in (moment, moment + _SOON) if (price := _published(book, model, at)) is not None
            )
        return self._found[key]


def context_of(book: str, model: str) -> int | None:
    """The context window that the price data knows for a model, in tokens."""
    found = _entry(book, model)
    window: int | None = getattr(found, "context_window", None)
    return window


def _own(price: ModelPrice) -> Price:
    read = price.input if price.cached is None else price.cached
    written = price.input if price.cache_written is None else price.cache_written
    return Price(Rate(price.input), Rate(price.output), Rate(read), Rate(written), price.call)


def _entry(book: str, model: str) -> Any:
    from genai_prices.data_snapshot import get_snapshot

    providers = get_snapshot().providers
    provider = next((each for each in providers if each.id == book), None)
    if provider is None:
        return None
    # A model named with its date has the price of the model without it.
    undated = re.sub(r"-(20\d{6}|20\d\d-\d\d-\d\d)$", "", model)
    return provider.find_model(model, all_providers=providers) or provider.find_model(undated, all_providers=providers)


def _published(book: str, model: str, at: datetime) -> Price | None:
    entry = _entry(book, model)
    if entry is None or not entry.prices:
        return None
    rates = vars(entry.get_prices(at))
    prompt, answer = _rate(rates.get("input_mtok")), _rate(rates.get("output_mtok"))
    if prompt is None or answer is None:
        return None
    reasoned = _rate(rates.get("output_reasoning_mtok"))
    return Price(
        _dearer(prompt, _rate(rates.get("input_image_mtok"))),
        _dearer(answer, reasoned),
        _rate(rates.get("cache_read_mtok")) or prompt,
        _rate(rates.get("cache_write_mtok")) or prompt,
        (rates.get("requests_kcount") or _NOTHING) / 1000,
        "genai-prices",
    )


def _dearer(rate: Rate, other: Rate | None) -> Rate:
    return rate if other is None or other.base <= rate.base else other


def _rate(value: Any) -> Rate | None:
    if value is None:
        return None
    if isinstance(value, Decimal):
        return Rate(value)
    return Rate(value.base, tuple((tier.start, tier.price) for tier in value.tiers))
