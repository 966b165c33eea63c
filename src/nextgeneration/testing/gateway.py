"""Models for a whole mission in tests: scripted ones behind the door's own gateway, at a price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.models import ModelClient, ModelRequest, Usage, Wish

_BECAUSE = Texts("scripted", "scripté")


@dataclass
class ScriptedCandidate:
    """One scripted model at a price in micro-credits a token; on this machine and free by default.

    Attributes:
        name: ``provider:model``.
    """

    client: ModelClient
    input: int = 0
    output: int = 0
    local: bool = True
    context: int = 200_000
    priced: bool = True
    why: Texts = _BECAUSE
    failures: list[Exception] = field(default_factory=list)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.client.name

    def worst(self, request: ModelRequest) -> int:
        """The bytes of the prompt as tokens, and the longest answer."""
        prompt = "".join([message.text for message in request.messages])
        return self.input * len(prompt.encode()) + self.output * request.max_output

    def cost(self, usage: Usage) -> int:
        """What these tokens cost."""
        return self.input * usage.input + self.output * usage.output

    def fit(self, request: ModelRequest, amount: int, /) -> ModelRequest | None:
        """The request with a shorter answer, not below 16 tokens."""
        rest = amount - (self.worst(request) - self.output * request.max_output)
        short = rest // self.output if self.output else request.max_output
        return replace(request, max_output=short) if short >= 16 else None

    def succeeded(self, seconds: float) -> None:
        """It answered."""

    def failed(self, error: Exception) -> None:
        """It did not."""
        self.failures.append(error)


@dataclass(frozen=True)
class ScriptedChoice:
    """The models of a gateway, in its order."""

    candidates: tuple[ScriptedCandidate, ...]
    skipped: Mapping[str, Texts] = field(default_factory=dict)


class ScriptedGateway:
    """A gateway to scripted models, for ``open_services(…, models=…)``.

    Args:
        models: clients, or candidates with a price; the first is asked first.
    """

    def __init__(self, *models: ModelClient | ScriptedCandidate) -> None:
        self.models = tuple(m if isinstance(m, ScriptedCandidate) else ScriptedCandidate(m) for m in models)

    def candidates(self, wish: Wish, request: ModelRequest | None = None) -> ScriptedChoice:
        """All of them, those that are preferred first."""
        if not wish.prefer:
            return ScriptedChoice(self.models)
        order = {name: place for place, name in enumerate(wish.prefer)}
        return ScriptedChoice(tuple(sorted(self.models, key=lambda m: order.get(m.name, len(order)))))

    def available(self, wish: Wish) -> bool:
        """Whether there is any."""
        return bool(self.models)

    async def close(self) -> None:
        """There is nothing to let go of."""
