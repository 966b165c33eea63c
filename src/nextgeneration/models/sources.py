"""Where models answer: what is known of providers, and one provider as it was found here."""

from __future__ import annotations

import importlib.util
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlsplit

from pydantic import SecretStr

from nextgeneration.kernel.language import Texts
from nextgeneration.settings.models import Dialect

NO_WORDS = Texts("", "")

PACKAGES: dict[Dialect, tuple[str, str]] = {
    "openai": ("langchain_openai", "openai"),
    "openai-responses": ("langchain_openai", "openai"),
    "anthropic": ("langchain_anthropic", "anthropic"),
    "google": ("langchain_google_genai", "google"),
    "ollama": ("langchain_ollama", "ollama"),
}
"""The module that speaks a dialect, and the extra that brings it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a provider before anything is looked for.

    Attributes:
        keys: names its key may have, the usual one first.
        book: its name in the price data.
        models: the models taken when nobody names one, the best first.
    """

    name: str
    dialect: Dialect
    keys: tuple[str, ...]
    url: str = ""
    book: str = ""
    models: tuple[str, ...] = ()


KNOWN: tuple[Known, ...] = (
    Known(
        "anthropic",
        "anthropic",
        ("ANTHROPIC_API_KEY",),
        "https://api.anthropic.com",
        "anthropic",
        ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"),
    ),
    Known(
        "openai",
        "openai",
        ("OPENAI_API_KEY",),
        "https://api.openai.com/v1",
        "openai",
        ("gpt-6.1-sol", "gpt-6.1-terra", "gpt-6-luna"),
    ),
    Known(
        "google",
        "google",
        ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        "https://generativelanguage.googleapis.com",
        "google",
        ("gemini-4-argon", "gemini-3.8-flash", "gemini-3.5-flash-lite"),
    ),
    Known(
        "mistral",
        "openai",
        ("MISTRAL_API_KEY",),
        "https://api.mistral.ai/v1",
        "mistral",
        ("mistral-large-4", "mistral-small-2603"),
    ),
    Known(
        "deepseek",
        "openai",
        ("DEEPSEEK_API_KEY",),
        "https://api.deepseek.com/v1",
        "deepseek",
        ("deepseek-v4-pro", "deepseek-v4-flash"),
    ),
    Known("xai", "openai", ("XAI_API_KEY",), "https://api.x.ai/v1", "x-ai", ("grok-4.7", "grok-code-fast-1")),
    Known(
        "groq",
        "openai",
        ("GROQ_API_KEY",),
        "https://api.groq.com/openai/v1",
        "groq",
        ("openai/gpt-oss-120b", "openai/gpt-oss-20b"),
    ),
    Known("cerebras", "openai", ("CEREBRAS_API_KEY",), "https://api.cerebras.ai/v1", "cerebras", ("gpt-oss-120b",)),
    Known(
        "moonshot",
        "openai",
        ("MOONSHOT_API_KEY",),
        "https://api.moonshot.ai/v1",
        "moonshotai",
        ("kimi-k3", "kimi-k2.6"),
    ),
    Known("zai", "openai", ("ZAI_API_KEY",), "https://api.z.ai/api/paas/v4", "zai", ("GLM-5.3", "GLM-5.3-Flash")),
    Known("openrouter", "openai", ("OPENROUTER_API_KEY",), "https://openrouter.ai/api/v1", "openrouter"),
    Known("together", "openai", ("TOGETHER_API_KEY",), "https://api.together.xyz/v1", "together"),
    Known("fireworks", "openai", ("FIREWORKS_API_KEY",), "https://api.fireworks.ai/inference/v1", "fireworks"),
    Known("perplexity", "openai", ("PERPLEXITY_API_KEY", "PPLX_API_KEY"), "https://api.perplexity.ai", "perplexity"),
)
ALIASES = {"google_genai": "google", "gemini": "google", "mistralai": "mistral", "x-ai": "xai", "grok": "xai"}
"""Other names of providers, such as LangChain's."""


@dataclass(frozen=True, slots=True)
class Source:
    """One provider as it was found.

    Attributes:
        key_name: under what name its key is, or would be; empty when it needs none.
        key: the key, when there is one.
        book: its name in the price data; empty when prices there are not its own.
        models: its models that were found or are known, the best first.
        told: what its server said of a model.
        how: how it was found, for the user.
        package: LangChain's name of the provider, for the dialect ``langchain``.
    """

    name: str
    dialect: Dialect
    url: str
    key_name: str = ""
    key: SecretStr | None = field(default=None, repr=False)
    book: str = ""
    models: tuple[str, ...] = ()
    told: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    how: Texts = NO_WORDS
    package: str = ""

    @property
    def local(self) -> bool:
        """Whether it answers on this machine, so that a call costs nothing."""
        return loopback(self.url)

    @property
    def extra(self) -> str:
        """The extra that is missing for it; empty when what speaks its dialect is installed."""
        module, extra = PACKAGES.get(self.dialect, ("langchain", ""))
        return "" if _installed(module) else extra


@cache
def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def loopback(url: str) -> bool:
    """Whether an address is this machine's own, by what is written in it; nothing is looked up."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split(name: str) -> tuple[str, str]:
    """Provider and model of ``provider:model``; a name without a provider has an empty one."""
    provider, mark, model = name.partition(":")
    if not mark:
        return "", name
    return ALIASES.get(provider, provider), model
