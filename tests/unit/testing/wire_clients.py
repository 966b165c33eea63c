"""The providers' own libraries, pointed at a double; every connection they opened is closed again."""

from __future__ import annotations

import functools
import operator
from contextlib import asynccontextmanager

MODELS = {
    "openai": "gpt-4o",
    "openai-responses": "gpt-4o",
    "anthropic": "claude-sonnet-5",
    "gemini": "gemini-2.5-flash",
    "ollama": "llama3.2",
}


TOOLS = [
    {
        "name": "fs_read",
        "description": "Reads a file.",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    }
]


async def ask(model, messages, *, stream):
    """The whole message, however it comes."""
    if not stream:
        return await model.ainvoke(messages)
    return functools.reduce(operator.add, [chunk async for chunk in model.astream(messages)])


@asynccontextmanager
async def client(far, **options):
    """A LangChain chat model of this double's provider."""
    options = {"model": MODELS[far.provider], **options}
    async with BUILDERS[far.provider](far, options) as model:
        yield model


@asynccontextmanager
async def _openai(far, options):
    import httpx2
    from langchain_openai import ChatOpenAI

    async with httpx2.AsyncClient(verify=False) as http:
        with httpx2.Client(verify=False) as plain:
            yield ChatOpenAI(
                base_url=far.url,
                **{"api_key": "k", "max_retries": 0, "stream_usage": True, "timeout": 60, **options},
                http_async_client=http,
                http_client=plain,
            )


@asynccontextmanager
async def _responses(far, options):
    async with _openai(far, {**options, "use_responses_api": True}) as model:
        yield model


@asynccontextmanager
async def _anthropic(far, options):
    from langchain_anthropic import ChatAnthropic, _client_utils

    defaults = {"api_key": "k", "max_retries": 0, "max_tokens": 200, "timeout": 30}
    model = ChatAnthropic(base_url=far.url, **{**defaults, **options})
    try:
        yield model
    finally:
        await model._async_client.close()
        model._client.close()
        # the library keeps clients by address, and the address of a double may come again
        _client_utils._get_default_async_httpx_client.cache_clear()
        _client_utils._get_default_httpx_client.cache_clear()


@asynccontextmanager
async def _gemini(far, options):
    from langchain_google_genai import ChatGoogleGenerativeAI

    model = ChatGoogleGenerativeAI(
        base_url=far.url, **{"google_api_key": "k", "max_retries": 1, "timeout": 30, **options}
    )
    try:
        yield model
    finally:
        await model.client.aio.aclose()
        model.client.close()


@asynccontextmanager
async def _ollama(far, options):
    from langchain_ollama import ChatOllama

    model = ChatOllama(base_url=far.url, **options)
    try:
        yield model
    finally:
        await model._async_client._client.aclose()
        model._client._client.close()


BUILDERS = {
    "openai": _openai,
    "openai-responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "ollama": _ollama,
}
