"""Settings of language models."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import SettingsConfigDict

from nextgeneration.settings.group import SettingsGroup

Dialect = Literal["openai", "openai-responses", "anthropic", "google", "ollama", "langchain"]

MOST_USD = 1_000_000
"""The dearest price there can be: USD for a million tokens."""


class ModelPrice(BaseModel):
    """What a model costs, in USD per million tokens."""

    model_config = ConfigDict(extra="forbid")

    input: Decimal = Field(ge=0, le=MOST_USD, description="tokens of the prompt")
    output: Decimal = Field(ge=0, le=MOST_USD, description="tokens of the answer")
    cached: Decimal | None = Field(
        default=None, ge=0, le=MOST_USD, description="tokens read from the provider's cache; empty: as `input`"
    )
    cache_written: Decimal | None = Field(
        default=None, ge=0, le=MOST_USD, description="tokens put into the provider's cache; empty: as `input`"
    )
    call: Decimal = Field(default=Decimal(0), ge=0, le=1_000, description="USD for each call, whatever its length")


class ModelFacts(BaseModel):
    """What a model can do, where we cannot know."""

    model_config = ConfigDict(extra="forbid")

    context: int | None = Field(default=None, gt=0, description="tokens of prompt and answer together")
    max_output: int | None = Field(default=None, gt=0, description="most tokens of an answer")
    tools: bool | None = Field(default=None, description="it can call tools")
    vision: bool | None = Field(default=None, description="it sees images")
    structured: bool | None = Field(default=None, description="it follows a JSON Schema by itself")
    reasoning: bool | None = Field(default=None, description="it reasons before it answers")
    rank: int | None = Field(default=None, ge=0, le=9, description="quality from 0 to 9; 9 is the best there is")


class ModelProvider(BaseModel):
    """Where models answer, and in which format. It holds the name of the key's variable, never the key."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(default="", description="address; empty: the provider's own")
    key: str = Field(default="", description="name of the environment variable that holds the key; empty: no key")
    dialect: Dialect = Field(default="openai", description="the format it speaks")
    models: list[str] = Field(default=[], description="its models, the best first; empty: it is asked")
    package: str = Field(default="", description="for `langchain`: the provider's name there, if it differs")


class ModelSettings(SettingsGroup):
    """Which language models may be used, and how."""

    model_config = SettingsConfigDict(env_prefix="NG_MODELS_", env_nested_delimiter="__", extra="ignore")

    discover: bool = Field(
        default=True,
        description="look for known providers' keys and for servers on this machine; off: only `NG_MODELS_PROVIDERS` "
        "and what `nextgen models add` keeps",
    )
    use: list[str] = Field(
        default=[],
        description="the models the router chooses among, as a JSON list of `provider:model`; empty: all found",
    )
    never: list[str] = Field(
        default=[], description="models never to be used, as a JSON list of patterns such as `openai:*`"
    )
    dotenv: Path = Field(
        default=Path(".env"), description="file in which keys are looked for, by name, after the environment"
    )
    keyring: bool = Field(
        default=True,
        description="look for keys in the system keyring, service `nextgeneration`, when the extra `keyring` is there",
    )
    providers: dict[str, ModelProvider] = Field(
        default={}, description="providers by name, as JSON or `NG_MODELS_PROVIDERS__<name>__url`"
    )
    prices: dict[str, ModelPrice] = Field(
        default={}, description="prices by `provider:model`, as JSON, in USD per million tokens; they go before ours"
    )
    facts: dict[str, ModelFacts] = Field(
        default={}, description="what models can do, by pattern of `provider:model`, as JSON; they go before ours"
    )
    answer_seconds: float = Field(default=300.0, gt=0, description="time limit of one answer, in seconds")
    answer_bytes: int = Field(
        default=64_000_000, ge=10_000, description="most bytes of one answer as it comes over the wire, unpacked"
    )
    silence_seconds: float = Field(
        default=90.0, gt=0, description="longest silence of a model that is being listened to, in seconds"
    )
    connect_seconds: float = Field(default=10.0, gt=0, description="time limit for a connection, in seconds")
    probe_ms: int = Field(
        default=120, ge=0, le=5_000, description="time for finding servers on this machine, in milliseconds; 0: none"
    )
    ollama_context: int = Field(
        default=16_384, ge=512, description="context asked of Ollama, in tokens; more of it needs more memory"
    )
