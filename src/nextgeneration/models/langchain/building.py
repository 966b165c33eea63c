"""The provider libraries' objects, made once for each model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from nextgeneration.kernel.language import Texts
from nextgeneration.models.errors import ExtraMissing, ModelFailure, NameUnclear
from nextgeneration.models.langchain.bounds import hooks
from nextgeneration.models.langchain.transport import Transport
from nextgeneration.models.sources import Source

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_REASONS = re.compile(r"(gpt-[5-9](?!.*chat)|o\d|codex)")
_PACKAGE = re.compile(r"langchain-[a-z0-9-]*[a-z0-9]")
_UNHEARD = Texts(
    "LangChain knows no provider {provider}; say which with --package, as in --package bedrock",
    "LangChain ne connaît aucun fournisseur {provider} ; dites lequel avec --package, comme --package bedrock",
)
NO_KEY = "none"
"""What a library that insists on a key is given for a server that wants none."""


def dialect_of(source: Source, model: str) -> str:
    """The format spoken with one model: OpenAI's reasoning models keep their thoughts only in responses."""
    official = source.name == "openai" and source.book == "openai"
    return "openai-responses" if source.dialect == "openai" and official and _REASONS.match(model) else source.dialect


def build(
    source: Source, model: str, transport: Transport, loop: asyncio.AbstractEventLoop, *, reasoning: bool, context: int
) -> BaseChatModel:
    """The LangChain chat model; imports its library, which takes a second the first time.

    Raises:
        ExtraMissing: the library is not installed.
    """
    name = f"{source.name}:{model}"
    try:
        match dialect_of(source, model):
            case "openai":
                return _openai(source, model, transport, loop)
            case "openai-responses":
                return _responses(source, model, transport, loop, reasoning=reasoning)
            case "anthropic":
                return _anthropic(source, model, transport, loop)
            case "google":
                return _google(source, model, transport)
            case "ollama":
                return _ollama(source, model, transport, context)
        return _any(source, model, transport)
    except ModelFailure:
        raise
    except ImportError as error:
        raise _absent(source, name, error) from None
    except Exception as error:
        # What the libraries raise here is about a name or an address; it may hold the key.
        raise NameUnclear(name=name, detail=type(error).__name__) from None


def _absent(source: Source, name: str, error: ImportError) -> ExtraMissing:
    """What is to be installed: our extra, else the package LangChain itself names."""
    if source.extra:
        package = f"nextgeneration[{source.extra}]"
        return ExtraMissing(model=name, package=error.name or package, install=f"pip install '{package}'")
    told = _PACKAGE.search(str(error))
    package = told[0] if told else (error.name or f"langchain-{source.package or source.name}").replace("_", "-")
    return ExtraMissing(model=name, package=package, install=f"pip install {package}")


def _key(source: Source) -> str:
    return source.key.get_secret_value() if source.key is not None else NO_KEY


def _shared(source: Source, transport: Transport, loop: asyncio.AbstractEventLoop) -> dict[str, Any]:
    return {
        "base_url": source.url or None,
        "api_key": _key(source),
        "max_retries": 0,
        "timeout": transport.timeout(),
        "http_async_client": transport.pool(source.name, loop),
        "http_client": transport.unused(),
        "openai_proxy": None,
        "stream_usage": True,
        "stream_chunk_timeout": None,
        "cache": False,
    }


def _openai(source: Source, model: str, transport: Transport, loop: asyncio.AbstractEventLoop) -> BaseChatModel:
    from nextgeneration.models.langchain.openai import ChatCompletions, Compatible

    official = source.name == "openai" and bool(source.book)
    kind: Any = ChatCompletions if official else Compatible
    made: BaseChatModel = kind(model=model, use_responses_api=False, **_shared(source, transport, loop))
    return made


def _responses(
    source: Source, model: str, transport: Transport, loop: asyncio.AbstractEventLoop, *, reasoning: bool
) -> BaseChatModel:
    from nextgeneration.models.langchain.openai import Responses

    # Nothing is kept at the provider: reasoning comes back to us encrypted and goes with the next request.
    kept: dict[str, Any] = {"include": ["reasoning.encrypted_content"]} if reasoning else {}
    shared = {**_shared(source, transport, loop), **kept}
    made: BaseChatModel = Responses(
        model=model, use_responses_api=True, output_version="responses/v1", store=False, **shared
    )
    return made


def _anthropic(source: Source, model: str, transport: Transport, loop: asyncio.AbstractEventLoop) -> BaseChatModel:
    from nextgeneration.models.langchain.anthropic import Messages

    made = Messages(
        model=model, api_key=_key(source), base_url=source.url, max_retries=0, stream_usage=True, cache=False
    )
    made.dial(transport.pool(source.name, loop), transport.timeout())
    return made


def _google(source: Source, model: str, transport: Transport) -> BaseChatModel:
    import httpx
    from langchain_google_genai import ChatGoogleGenerativeAI

    made = ChatGoogleGenerativeAI(
        model=model,
        google_api_key=_key(source),
        base_url=source.url,
        vertexai=False,
        # Google counts tries, and takes 0 for its own default of 5.
        max_retries=1,
        timeout=transport.answer_seconds,
        client_args={"verify": transport.tls, "event_hooks": hooks(httpx, transport.answer_bytes)},
        cache=False,
    )
    if made.client is not None:
        transport.close_too(made.client.aio.aclose)
    return made


def _ollama(source: Source, model: str, transport: Transport, context: int) -> BaseChatModel:
    import httpx

    from nextgeneration.models.langchain.ollama import Chat

    dialled: dict[str, Any] = {
        "verify": transport.tls,
        "timeout": httpx.Timeout(transport.answer_seconds, connect=transport.connect_seconds),
        "event_hooks": hooks(httpx, transport.answer_bytes),
    }
    if source.key is not None:
        dialled["auth"] = _bearer(_key(source))
    made = Chat(model=model, base_url=source.url, num_ctx=context, client_kwargs=dialled, cache=False)
    if made._async_client is not None:  # noqa: SLF001 - nothing else gives hold of its connections
        transport.close_too(made._async_client.close)  # noqa: SLF001
    return made


def _bearer(key: str) -> Any:
    """The key as something to sign requests with, since the chat model shows its headers to whoever prints it."""
    import httpx

    class Bearer(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
            request.headers["Authorization"] = f"Bearer {key}"
            yield request

    return Bearer()


def _any(source: Source, model: str, transport: Transport) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    given: dict[str, Any] = {"max_retries": 0, "timeout": transport.answer_seconds}
    if source.key is not None:
        given["api_key"] = _key(source)
    if source.url:
        given["base_url"] = source.url
    provider = source.package or source.name
    try:
        made: BaseChatModel = init_chat_model(model, model_provider=provider, **given)
    except ValueError as error:
        if not str(error).startswith("Unsupported provider"):
            raise
        detail = Texts(_UNHEARD.en.format(provider=provider), _UNHEARD.fr.format(provider=provider))
        raise NameUnclear(name=f"{source.name}:{model}", detail=detail) from None
    return made
