"""What a door needs to let agents think: models to choose from, and the books their cost stands in."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from nextgeneration.credits.service import Credits
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.models import ModelClient, ModelRequest, Usage, Wish
from nextgeneration.models.errors import ModelFailure


class Candidate(Protocol):
    """A model that could answer, at its price in micro-credits."""

    @property
    def name(self) -> str:
        """``provider:model``."""
        ...

    @property
    def why(self) -> Texts:
        """Why it is chosen."""
        ...

    @property
    def client(self) -> ModelClient:
        """Who asks it."""
        ...

    @property
    def local(self) -> bool:
        """Whether it runs on this machine and costs nothing."""
        ...

    @property
    def priced(self) -> bool:
        """Whether its price is known."""
        ...

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together."""
        ...

    def worst(self, request: ModelRequest) -> int:
        """The most that ``request`` can cost."""
        ...

    def cost(self, usage: Usage) -> int:
        """What a call with this usage cost."""
        ...

    def fit(self, request: ModelRequest, amount: int, /) -> ModelRequest | None:
        """The same request with a shorter answer, whose worst case is at most ``amount``; ``None``: too short."""
        ...

    def succeeded(self, seconds: float) -> None:
        """It answered."""
        ...

    def failed(self, error: ModelFailure) -> None:
        """It did not."""
        ...


class Choice(Protocol):
    """The models for a request, the best first, and why others are not among them."""

    @property
    def candidates(self) -> Sequence[Candidate]:
        """In order of preference."""
        ...

    @property
    def skipped(self) -> Mapping[str, Texts]:
        """Why a model is left out, by its name."""
        ...


class Gateway(Protocol):
    """Where models come from."""

    def candidates(self, wish: Wish, request: ModelRequest | None = None) -> Choice:
        """The models for a request.

        Raises:
            ModelFailure: there is none.
        """
        ...

    def available(self, wish: Wish) -> bool:
        """Whether there is any model for ``wish``."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


@dataclass(frozen=True)
class ModelAccess:
    """The way to models of one process.

    Attributes:
        credits: the books, with who waits for what others hold.
        random: jitter for retries, from 0 to 1.
    """

    gateway: Gateway
    credits: Credits
    random: Callable[[], float] = random.random
