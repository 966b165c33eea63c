"""What models can do: the price data says how long a context is, a small table of families the rest."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nextgeneration.settings.models import ModelFacts


@dataclass(frozen=True)
class Facts:
    """What one model can do.

    Attributes:
        context: tokens of prompt and answer together.
        max_output: most tokens of an answer.
        structured: it follows a JSON Schema by itself.
        rank: quality from 0 to 9, by family; 9 is the best there is.
        image: most tokens of one image.
    """

    context: int = 8_192
    max_output: int = 4_096
    tools: bool = True
    vision: bool = False
    structured: bool = False
    reasoning: bool = False
    rank: int = 2
    image: int = 50_000

    @functools.cached_property
    def abilities(self) -> frozenset[str]:
        """The needs it meets, in the words of :class:`~nextgeneration.kernel.models.Wish`."""
        return frozenset(name for name in ("tools", "vision", "structured", "reasoning") if getattr(self, name))


UNKNOWN = Facts()
"""A model nobody told us of: it is believed to call tools, and little else."""


def _family(context: int, output: int, rank: int, can: str, image: int = 50_000) -> Facts:
    return Facts(context, output, "t" in can, "v" in can, "s" in can, "r" in can, rank, image)


_SEES_ALL = "tvsr"
_CLAUDE_IMAGE = 6_500
_GPT_IMAGE = 6_000

_FAMILIES: tuple[tuple[str, Facts], ...] = (
    (r"claude-(fable|mythos)", _family(200_000, 32_000, 9, _SEES_ALL, _CLAUDE_IMAGE)),
    (r"claude-opus-(4-[5-9]|[5-9])", _family(200_000, 32_000, 9, _SEES_ALL, _CLAUDE_IMAGE)),
    (r"claude-opus-4", _family(200_000, 32_000, 8, "tvr", _CLAUDE_IMAGE)),
    (r"claude-sonnet-(4-[5-9]|[5-9])", _family(200_000, 64_000, 8, _SEES_ALL, _CLAUDE_IMAGE)),
    (r"claude-sonnet-4", _family(200_000, 64_000, 7, "tvr", _CLAUDE_IMAGE)),
    (r"claude-haiku-(4-[5-9]|[5-9])", _family(200_000, 64_000, 6, _SEES_ALL, _CLAUDE_IMAGE)),
    (r"claude-3-(5|7)", _family(200_000, 8_192, 6, "tv", _CLAUDE_IMAGE)),
    (r"claude", _family(100_000, 4_096, 4, "tv", _CLAUDE_IMAGE)),
    (r"gpt-oss-(\d+)", _family(131_072, 32_768, 5, "tr")),
    (r"gpt-[5-9](\.\d+)?.*-?(nano|luna|flare)", _family(272_000, 64_000, 5, _SEES_ALL, _GPT_IMAGE)),
    (r"gpt-[5-9](\.\d+)?.*-?(mini|terra)", _family(272_000, 64_000, 7, _SEES_ALL, _GPT_IMAGE)),
    (r"gpt-[5-9]", _family(272_000, 64_000, 9, _SEES_ALL, _GPT_IMAGE)),
    (r"gpt-4\.1-(mini|nano)", _family(1_000_000, 32_768, 5, "tvs", _GPT_IMAGE)),
    (r"gpt-4\.1", _family(1_000_000, 32_768, 6, "tvs", _GPT_IMAGE)),
    (r"gpt-4o-mini", _family(128_000, 16_384, 4, "tvs")),
    (r"gpt-4o", _family(128_000, 16_384, 6, "tvs", _GPT_IMAGE)),
    (r"o[34](-pro)?$", _family(200_000, 100_000, 7, _SEES_ALL, _GPT_IMAGE)),
    (r"o\d", _family(128_000, 32_768, 6, "tsr", _GPT_IMAGE)),
    (r"gpt-4-(turbo|vision)", _family(128_000, 4_096, 4, "tv", _GPT_IMAGE)),
    (r"gpt-4", _family(8_192, 4_096, 4, "t")),
    (r"gpt-3\.5", _family(16_385, 4_096, 2, "t")),
    (r"gemini-([3-9]|2\.5).*lite", _family(1_000_000, 32_768, 5, _SEES_ALL)),
    (r"gemini-([3-9]|2\.5).*flash", _family(1_000_000, 65_535, 7, _SEES_ALL)),
    (r"gemini-([3-9]|2\.5)", _family(1_000_000, 65_535, 9, _SEES_ALL)),
    (r"gemini", _family(1_000_000, 8_192, 4, "tvs")),
    (r"grok-(code|.*mini)", _family(131_072, 16_384, 6, "tsr")),
    (r"grok", _family(131_072, 16_384, 8, "tvsr")),
    (r"deepseek.*(pro|reasoner|r1)", _family(64_000, 8_192, 8, "tr")),
    (r"deepseek", _family(64_000, 8_192, 6, "t")),
    (r"kimi", _family(131_072, 16_384, 7, "tr")),
    (r"glm-[5-9].*flash", _family(128_000, 16_384, 5, "tr")),
    (r"glm", _family(128_000, 16_384, 7, "tr")),
    (r"mistral-large|mistral-medium", _family(128_000, 16_384, 7, "tvs")),
    (r"mistral-small|ministral|pixtral", _family(128_000, 8_192, 5, "tvs")),
    (r"codestral|devstral|mistral", _family(32_768, 8_192, 5, "ts")),
    (r"llama-?4", _family(128_000, 8_192, 5, "tv")),
    (r"llama-?3\.[123]", _family(128_000, 8_192, 4, "t")),
    (r"qwen-?[3-9](\.\d+)?.*-?vl", _family(32_768, 8_192, 5, "tvr")),
    (r"qwen-?[3-9]", _family(32_768, 8_192, 5, "tr")),
    (r"qwen-?2\.5", _family(32_768, 8_192, 4, "t")),
    (r"command", _family(128_000, 4_096, 5, "t")),
    (r"gemma-?[34]", _family(32_768, 8_192, 3, "v")),
    (r"phi-?4", _family(16_384, 4_096, 3, "t")),
)

_NOT_FOR_CHAT = re.compile(
    r"embed|whisper|tts|transcribe|moderation|guard|image|audio|realtime|rerank|ocr|dall-e|imagen|veo|davinci|babbage"
)


def chats(model: str) -> bool:
    """Whether a model found at an address is one to converse with."""
    return _NOT_FOR_CHAT.search(model.lower()) is None


def family(model: str) -> Facts:
    """What the family of a model can do."""
    bare = model.lower().rsplit("/", 1)[-1]
    return next((facts for pattern, facts in _FAMILIES if re.match(pattern, bare)), UNKNOWN)


def facts_of(
    name: str, model: str, told: Mapping[str, int], window: int | None, own: Mapping[str, ModelFacts]
) -> Facts:
    """What a model can do.

    Args:
        name: ``provider:model``.
        model: the model's name at the provider.
        told: what its server said of it.
        window: its context in the price data.
        own: what the user said, by pattern; goes before everything.
    """
    facts = family(model)
    if window:
        facts = replace(facts, context=window)
    if "context" in told:
        facts = replace(facts, context=told["context"])
    if "tools" in told:
        can = {name: bool(told.get(name)) for name in ("tools", "vision", "reasoning")}
        facts = replace(facts, **can)
    for pattern, said in own.items():
        if fnmatchcase(name, pattern):
            facts = replace(facts, **said.model_dump(exclude_none=True))
    return replace(facts, max_output=min(facts.max_output, facts.context))
