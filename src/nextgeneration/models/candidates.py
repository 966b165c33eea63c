"""A model that may be asked: what it can do, what a call costs at most and in the end, how it has been answering."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.models import ModelClient, ModelRequest, Usage
from nextgeneration.models.errors import ModelFailure, PriceUnknown
from nextgeneration.models.estimating import prompt_tokens
from nextgeneration.models.facts import Facts
from nextgeneration.models.health import Health
from nextgeneration.models.prices import FREE, Price, PriceBook, micro_credits

NO_WORDS = Texts("", "")
LEAST_OUTPUT = 256
"""An answer shorter than this is not worth asking for."""


@dataclass(frozen=True)
class Candidate:
    """One model for one choice. What is expensive in it is made once and shared.

    Attributes:
        name: ``provider:model``.
        why: why it stands where it stands.
        local: it answers on this machine and costs nothing.
        facts: what it can do.
    """

    name: str
    client: ModelClient
    local: bool
    facts: Facts
    health: Health = field(repr=False)
    book: str = field(repr=False)
    prices: PriceBook = field(repr=False)
    credit_usd: Decimal = field(repr=False)
    why: Texts = NO_WORDS

    def because(self, why: Texts) -> Candidate:
        """The same model, standing where it stands for another reason."""
        parts = (self.name, self.client, self.local, self.facts, self.health, self.book, self.prices, self.credit_usd)
        return Candidate(*parts, why)

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together."""
        return self.facts.context

    @property
    def max_output(self) -> int:
        """Most tokens of an answer."""
        return self.facts.max_output

    @property
    def price(self) -> Price | None:
        """What it costs now; ``None`` when nobody knows."""
        own = self.prices.now(self.name, self.book, self._model)
        return FREE if own is None and self.local else own

    @property
    def priced(self) -> bool:
        """Whether its price is known; a model on this machine costs nothing."""
        return self.price is not None

    def worst(self, request: ModelRequest) -> int:
        """The most that the request can cost here, in micro-credits.

        Raises:
            PriceUnknown: nobody knows.
        """
        return self._worst(request, self._output(request))

    def cost(self, usage: Usage) -> int:
        """What these tokens cost, in micro-credits, rounded up.

        Raises:
            PriceUnknown: nobody knows.
        """
        price = self.price
        if price is None:
            raise PriceUnknown(model=self.name)
        return micro_credits(price.usd(usage), self.credit_usd)

    def fit(self, request: ModelRequest, micro: int) -> ModelRequest | None:
        """The request with as long an answer as so many micro-credits can pay; ``None`` when that is too short.

        Raises:
            PriceUnknown: nobody knows.
        """
        wanted = self._output(request)
        if self._worst(request, wanted) <= micro:
            return request
        least, most = min(LEAST_OUTPUT, wanted), wanted
        if self._worst(request, least) > micro:
            return None
        while most - least > 1:
            middle = (least + most) // 2
            if self._worst(request, middle) <= micro:
                least = middle
            else:
                most = middle
        return replace(request, max_output=least)

    def succeeded(self, seconds: float) -> None:
        """It answered in so many seconds."""
        self.health.succeeded(seconds)

    def failed(self, error: ModelFailure) -> None:
        """It failed."""
        self.health.failed(error)

    @property
    def _model(self) -> str:
        return self.name.partition(":")[2]

    def _output(self, request: ModelRequest) -> int:
        return min(request.max_output, self.facts.max_output)

    def _worst(self, request: ModelRequest, output: int) -> int:
        # Pictures of results are left out for a model that does not see; a task's own never come to it.
        prompt = prompt_tokens(request, self.facts.image if self.facts.vision else 0)
        usd = self.prices.worst(self.name, self.book, self._model, prompt, output)
        if usd is None:
            if self.local:
                return 0
            raise PriceUnknown(model=self.name)
        return micro_credits(usd, self.credit_usd)


@dataclass(frozen=True)
class Choice:
    """What the router says to a wish.

    Attributes:
        candidates: in order of preference.
        why: what decided, in a line for the journal.
        skipped: models that were wished for or found and cannot be taken, or only after all others: why.
    """

    candidates: tuple[Candidate, ...]
    why: Texts
    skipped: dict[str, Texts] = field(default_factory=dict)

    @property
    def first(self) -> Candidate | None:
        """The best one, when there is any."""
        return self.candidates[0] if self.candidates else None
