"""One model at one provider, asked through LangChain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nextgeneration.kernel.models import Finish, ModelAnswer, ModelRequest, Usage
from nextgeneration.models.errors import (
    KeyMissing,
    ModelFailure,
    ModelTimedOut,
    RubbishAnswer,
    StreamBroken,
)
from nextgeneration.models.estimating import estimated, prompt_tokens
from nextgeneration.models.facts import Facts
from nextgeneration.models.langchain.building import build, dialect_of
from nextgeneration.models.langchain.failures import Asked, failure
from nextgeneration.models.langchain.transport import Transport
from nextgeneration.models.sources import Source

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk

    from nextgeneration.models.langchain.messages import Outgoing, Writer

ROOM = 64
"""Characters of an answer for each token it may have; one that is longer is no answer to what was asked."""
SLACK = 65_536

_LENGTH_PARAMETER = {"google": "max_output_tokens", "ollama": "num_predict"}


@dataclass(frozen=True)
class Manner:
    """How long a model is waited for."""

    answer_seconds: float
    silence_seconds: float


@dataclass
class _Heard:
    """What came of an answer so far."""

    pieces: list[AIMessageChunk]
    finish: str = ""
    length: int = 0
    written: list[Any] = field(default_factory=list)


class LangChainClient:
    """A :class:`~nextgeneration.kernel.models.ModelClient`; the provider's library is loaded at the first question.

    Args:
        source: the provider.
        model: the model's name there.
        facts: what it can do.
        manner: how long it is waited for.
        transport: what connections are made with.
    """

    def __init__(self, source: Source, model: str, facts: Facts, manner: Manner, transport: Transport) -> None:
        self.name = f"{source.name}:{model}"
        self._source = source
        self._model = model
        self._facts = facts
        self._image = facts.image if facts.vision else 0
        self._manner = manner
        self._transport = transport
        self._dialect = dialect_of(source, model)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._made: tuple[BaseChatModel, Writer] | None = None
        self._making: asyncio.Lock | None = None
        self._tools: dict[tuple[int, bool], tuple[list[dict[str, Any]], dict[str, Any]]] = {}

    def __repr__(self) -> str:
        return f"LangChainClient({self.name!r})"

    async def answer(self, request: ModelRequest, listen: Callable[[str], None] | None = None) -> ModelAnswer:
        """Ask the model once. See :class:`~nextgeneration.kernel.models.ModelClient`."""
        if self._source.key_name and self._source.key is None:
            raise KeyMissing(model=self.name, key=self._source.key_name, provider=self._source.name)
        request = replace(request, max_output=min(request.max_output, self._facts.max_output))
        chat, writer = await self._library()
        asked = Asked(self.name, self._source.name, self._source.key_name, self._secret)
        heard = _Heard([])
        out = writer.outgoing(request)
        try:
            async with asyncio.timeout(self._manner.answer_seconds):
                # OpenAI's responses are always read as they come: only so do arguments arrive as they were written.
                if listen is not None or self._dialect == "openai-responses":
                    return await self._streamed(chat, out, request, listen or _nobody, heard)
                return await self._whole(chat, out, request)
        except ModelFailure as error:
            self._add_usage(error, heard, request)
            raise
        except TimeoutError:
            raise self._add_usage(self._late(heard, self._manner.answer_seconds), heard, request) from None
        except Exception as error:
            if (answer := self._rescued(error, heard, out, request)) is not None:
                return answer
            asked = replace(asked, began=bool(heard.pieces), seconds=self._manner.answer_seconds)
            raise self._add_usage(failure(error, asked), heard, request) from None

    async def _library(self) -> tuple[BaseChatModel, Writer]:
        """What asks this model in the running loop. Importing it would hold up the loop, so a thread does."""
        loop = asyncio.get_running_loop()
        if self._made is not None and self._loop is loop:
            return self._made
        if self._making is None or self._loop is not loop:
            self._making, self._loop, self._made = asyncio.Lock(), loop, None
            self._tools.clear()
        async with self._making:
            if self._made is None:
                self._made = await asyncio.to_thread(self._build, loop)
            return self._made

    def _build(self, loop: asyncio.AbstractEventLoop) -> tuple[BaseChatModel, Writer]:
        facts = self._facts
        chat = build(self._source, self._model, self._transport, loop, reasoning=facts.reasoning, context=facts.context)
        from nextgeneration.models.langchain.messages import Writer

        return chat, Writer(self._source, self._model, facts, self._dialect)

    def _parameters(self, chat: BaseChatModel, out: Outgoing, request: ModelRequest) -> dict[str, Any]:
        given = dict(out.parameters)
        given[_LENGTH_PARAMETER.get(self._dialect, "max_tokens")] = request.max_output
        if self._dialect == "openai-responses":
            given["max_output_tokens"] = given.pop("max_tokens")
        if request.temperature is not None and not (self._facts.reasoning and self._dialect != "ollama"):
            given["temperature"] = request.temperature
        if tools := given.pop("tools", None):
            given.update(self._bound(chat, tools, forced=out.forced))
        if self._dialect == "ollama":
            number = given.pop("num_predict")
            given["options"] = {"num_predict": number, "num_ctx": self._facts.context}
            if "temperature" in given:
                given["options"]["temperature"] = given.pop("temperature")
        return given

    def _bound(self, chat: BaseChatModel, tools: list[dict[str, Any]], *, forced: bool) -> dict[str, Any]:
        """The tools as the library sends them; converting them takes longer than sending them."""
        key = (id(tools), forced)
        kept = self._tools.get(key)
        if kept is None or kept[0] is not tools:
            if len(self._tools) > 64:
                self._tools.clear()
            bound: Any = chat.bind_tools(tools, **({"tool_choice": "any"} if forced else {}))
            kept = self._tools[key] = (tools, dict(bound.kwargs))
        return kept[1]

    async def _whole(self, chat: BaseChatModel, out: Outgoing, request: ModelRequest) -> ModelAnswer:
        written = self._written()
        message: Any = await self._quietly(lambda: chat.ainvoke(out.messages, **self._parameters(chat, out, request)))
        from nextgeneration.models.langchain.answers import finish_of

        said = finish_of(message.response_metadata)
        if self._dialect == "ollama" and not said:
            # Its library reads even a whole answer as a stream, and takes one that was cut for the whole.
            raise StreamBroken(model=self.name, detail="it ended before the model said that it had")
        answer = self._answer(message, said, out, request, written)
        if self._dialect == "anthropic" and answer.finish is Finish.LENGTH and answer.calls:
            # Cut arguments arrive as an empty object: the last call may be half of what it should be.
            answer = replace(answer, calls=(*answer.calls[:-1], replace(answer.calls[-1], args=None)))
        return answer

    async def _streamed(
        self,
        chat: BaseChatModel,
        out: Outgoing,
        request: ModelRequest,
        listen: Callable[[str], None],
        heard: _Heard,
    ) -> ModelAnswer:
        from nextgeneration.models.langchain.answers import finish_of, text_of

        heard.written = self._written()
        most = _most(request)
        stream: AsyncIterator[Any] = chat.astream(out.messages, **self._parameters(chat, out, request))
        async with aclosing(stream) as chunks:  # type: ignore[type-var]
            while True:
                chunk = await self._next(chunks, heard)
                if chunk is None:
                    break
                heard.pieces.append(chunk)
                heard.finish = finish_of(chunk.response_metadata) or heard.finish
                piece = text_of(chunk)
                heard.length += len(piece) + sum(len(call.get("args") or "") for call in chunk.tool_call_chunks)
                if heard.length > most:
                    raise RubbishAnswer(model=self.name, detail=f"more than {most} characters")
                if piece:
                    listen(piece)
        if not heard.pieces:
            raise StreamBroken(model=self.name, detail="nothing came")
        if not heard.finish:
            raise StreamBroken(model=self.name, detail="it ended before the model said that it had")
        return self._put_together(heard, out, request)

    def _put_together(self, heard: _Heard, out: Outgoing, request: ModelRequest) -> ModelAnswer:
        from langchain_core.messages.ai import add_ai_message_chunks

        message = add_ai_message_chunks(heard.pieces[0], *heard.pieces[1:])
        return self._answer(message, heard.finish, out, request, heard.written)

    def _rescued(self, error: Exception, heard: _Heard, out: Outgoing, request: ModelRequest) -> ModelAnswer | None:
        """The answer, where it was whole before the error: the connection died after the model's last word, or
        LangChain refuses the arguments of a call that are JSON but no object.
        """
        if heard.pieces and not heard.finish and type(error).__name__ == "ValidationError":
            heard.finish = "completed"
        return self._put_together(heard, out, request) if heard.pieces and heard.finish else None

    async def _next(self, chunks: Any, heard: _Heard) -> Any:
        """The next piece, or ``None`` at the end; a silence that is too long ends it."""
        try:
            async with asyncio.timeout(self._manner.silence_seconds) as limit:
                return await self._quietly(lambda: anext(chunks, None))
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._late(heard, self._manner.silence_seconds) from None

    async def _quietly(self, call: Callable[[], Any]) -> Any:
        """What a call gives, with LangSmith's tracing off whatever the environment says: nothing is sent elsewhere."""
        from langsmith import tracing_context

        with tracing_context(enabled=False):
            return await call()

    def _written(self) -> list[Any]:
        """Where calls are put by a library of which we want them as they came."""
        if self._dialect != "ollama":
            return []
        from nextgeneration.models.langchain.ollama import WRITTEN

        written: list[Any] = []
        WRITTEN.set(written)
        return written

    def _answer(
        self, message: AIMessage, said: str, out: Outgoing, request: ModelRequest, written: list[Any]
    ) -> ModelAnswer:
        from nextgeneration.models.langchain.answers import (
            calls_of,
            extra_of,
            finish,
            refusal_of,
            text_of,
            unreadable,
            usage_of,
        )
        from nextgeneration.models.langchain.messages import clean

        raw = message.additional_kwargs.get("nextgeneration_calls") or written
        calls = calls_of(message, raw, out.names)
        refusal = refusal_of(message)
        text = clean(text_of(message) or refusal)
        usage = usage_of(message)
        if unreadable(said):
            raise RubbishAnswer(
                model=self.name,
                detail=said,
                again=True,
                spent="known" if usage is not None else "unknown",
                usage=usage or estimated(request, ModelAnswer(text), self._image),
            )
        ended = finish(said, calls=bool(calls), refusal=bool(refusal))
        if not said and not text and not calls and usage is None:
            raise RubbishAnswer(model=self.name, detail="an answer without text, calls or a reason")
        answer = ModelAnswer(
            text,
            calls if ended is not Finish.REFUSED else (),
            ended,
            Usage(),
            self.name,
            extra_of(message, self._dialect, self._source.name, self._model),
        )
        return replace(answer, usage=usage or estimated(request, answer, self._image))

    def _late(self, heard: _Heard, seconds: float) -> ModelFailure:
        return ModelTimedOut(model=self.name, seconds=seconds)

    def _add_usage(self, error: ModelFailure, heard: _Heard, request: ModelRequest) -> ModelFailure:
        """Say what is known to have been used when an answer broke off: what was told, else what was seen."""
        if not heard.pieces or error.spent == "none" or error.usage is not None:
            return error
        from nextgeneration.models.langchain.answers import usage_of

        told = [usage for piece in heard.pieces if (usage := usage_of(piece)) is not None]
        error.usage = sum(told, Usage()) if told else None
        if error.usage is None:
            seen = heard.length + len(heard.pieces)
            if heard.length <= _most(request):
                seen = min(seen, request.max_output)
            error.usage = Usage(prompt_tokens(request, self._image), seen, estimated=True)
        elif heard.finish:
            error.spent = "known"
        return error

    @property
    def _secret(self) -> str:
        return self._source.key.get_secret_value() if self._source.key is not None else ""


def _most(request: ModelRequest) -> int:
    """Characters that no answer of the asked length has."""
    return request.max_output * ROOM + SLACK


def _nobody(piece: str) -> None:
    """Heard by nobody."""
