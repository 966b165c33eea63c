"""A conversation under way: its messages, how long it is, and how it is kept from overflowing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from nextgeneration.agents.runtimes.thinking.compaction import (
    COMPACT,
    MAX_EXTRACT,
    MAX_SUMMARIES,
    SUMMARY_TOKENS,
    extract,
    middle_of,
    shortened_message,
    size_of,
    squeezed,
    summary_request,
)
from nextgeneration.kernel.errors import NGError, NotCanonical
from nextgeneration.kernel.models import Message, ModelAnswer, ModelRequest, ToolCall, ToolSchema, Wish
from nextgeneration.kernel.show import clean, shortened

if TYPE_CHECKING:
    from nextgeneration.agents.runtimes.gathering import Gathered
    from nextgeneration.agents.runtimes.thinking.compiled import Compiled
    from nextgeneration.agents.runtimes.thinking.world import World
    from nextgeneration.kernel.language import Lang
    from nextgeneration.missions.errors import ModelsFailed

MAX_TEXT = 400_000
MAX_RAW = 4_000
MAX_ARGUMENTS = 1_000_000
"""Of one answer: what is longer is cut, or is no arguments."""

FLOOR = 9_000
"""Bytes of a conversation that every model is believed to hold, so that nobody asks which one is in line."""

BYTES = 3
"""Of a token, as whether a request fits a model is judged."""

PER_TOOL = 64
MAX_RETREATS = 3
"""Times in a row a question that no model held is shortened and put again."""

MALFORMED = b""
"""Stands in the place of arguments that cannot be used."""


class Conversation:
    """Messages that only grow, but for a shortening now and then.

    How much the model in line holds is asked once the conversation is longer than any model's least, and again when
    another model answers or the limit is reached; what was learned is recorded, so that a replay shortens alike.

    Attributes:
        turns: answers the model gave.
        summaries: times it was asked to shorten the conversation.
    """

    __slots__ = (
        "_head",
        "_ids",
        "_limit",
        "_made",
        "_model",
        "_most",
        "_retreats",
        "_shortened",
        "_size",
        "messages",
        "summaries",
        "turns",
    )

    def __init__(self, made: Compiled, task: Message) -> None:
        self._made = made
        self.messages = [made.system, task]
        self._head = 2
        self._size = made.size + size_of(task)
        self._ids: set[str] = set()
        self._most = made.characters
        self._limit = min(FLOOR, self._most)
        self._model = ""
        self._retreats = 0
        self._shortened = 0
        self.turns = 0
        self.summaries = 0

    @property
    def too_long(self) -> bool:
        """Whether the next question may be more than the model in line holds."""
        return self._size > self._limit

    def add(self, message: Message) -> None:
        """Append a message."""
        self.messages.append(message)
        self._size += size_of(message)

    def say(self, text: str) -> None:
        """Append something said to the model by us."""
        self.add(Message("user", text))

    async def ask(
        self,
        world: World,
        wish: Wish,
        schemas: tuple[ToolSchema, ...],
        listen: Callable[[str], None] | None,
        *,
        required: bool = False,
    ) -> ModelAnswer:
        """Put the conversation to a model; the answer is not part of it yet.

        Raises:
            OverBudget, Parked, NGError: as :meth:`World.think` says.
        """
        made = self._made
        messages = tuple(self.messages)
        request = ModelRequest(
            messages, schemas, made.max_output, made.schema, required, made.temperature, len(messages)
        )
        answer = await world.think(request, wish, listen)
        self.turns += 1
        self._retreats = 0
        if answer.model != self._model:
            if self._model:
                self._most = made.characters
                self._limit = min(FLOOR, self._most)
            self._model = answer.model
        return answer

    def take(self, answer: ModelAnswer) -> tuple[ModelAnswer, list[bytes]]:
        """Append an answer: made storable, every call under an id of its own.

        Returns:
            the answer as it now stands, and by what each call is known, ``MALFORMED`` where that is impossible.
        """
        calls: list[ToolCall] = []
        keys: list[bytes] = []
        same = True
        for call in answer.calls:
            kept, key = self._storable(call)
            same = same and kept is call
            calls.append(kept)
            keys.append(key)
        text = answer.text
        if text and not (text.isascii() and "\0" not in text and len(text) <= MAX_TEXT):
            text = clean(shortened(text, MAX_TEXT))
        if not same or text is not answer.text:
            answer = ModelAnswer(text, tuple(calls), answer.finish, answer.usage, answer.model, answer.extra)
        self.add(answer.message())
        return answer, keys

    def _storable(self, call: ToolCall) -> tuple[ToolCall, bytes]:
        name = call.name if call.name.isascii() and len(call.name) <= 200 else clean(call.name)[:200]
        identity, number = call.id, len(self._ids)
        while not identity or identity in self._ids or not identity.isascii() or len(identity) > 200:
            number += 1
            identity = f"call-{number}"
        self._ids.add(identity)
        key, raw = MALFORMED, call.raw
        if type(call.args) is dict:
            try:
                key = b"%b\n%b" % (name.encode(), call.arguments())
            except NotCanonical:
                raw = raw or repr(call.args)
        if 0 < len(key) <= MAX_ARGUMENTS:
            if name is call.name and identity is call.id:
                return call, key
            return ToolCall(identity, name, call.args), key
        return ToolCall(identity, name, None, clean(raw)[:MAX_RAW]), MALFORMED

    async def make_room(
        self, world: World, wish: Wish, schemas: tuple[ToolSchema, ...], gathered: Gathered, lang: Lang
    ) -> bool:
        """Learn how much the model in line holds, and shorten the conversation if that is less; whether it was.

        Raises:
            Parked, NGError: with ``control``.
        """
        self._learn(await world.record("room", lambda: world.room(wish)), schemas)
        if not self.too_long:
            return False
        await self._shorten(world, gathered, lang)
        return True

    async def retreat(
        self, error: ModelsFailed, world: World, schemas: tuple[ToolSchema, ...], gathered: Gathered, lang: Lang
    ) -> bool:
        """Shorten what no model in line held, so that the next one in line does; whether it is worth asking again.

        Raises:
            Parked, NGError: with ``control``.
        """
        room, before = error.problem().get("room", 0), self._size
        if not room or self._retreats >= MAX_RETREATS:
            return False
        self._retreats += 1
        self._learn(room, schemas)
        self._most = self._limit = min(self._limit, before * 2 // 3)
        await self._shorten(world, gathered, lang)
        return self._size < before

    def _learn(self, tokens: int, schemas: tuple[ToolSchema, ...]) -> None:
        """Let the limit be what ``tokens`` hold beside the tools and an answer, within what the template says."""
        self._limit = self._most
        if tokens:
            # At most a quarter is kept for the answer; where that is less than it may have, a shorter one is asked for.
            answer = min(self._made.max_output, tokens // 4)
            tools = sum(map(_schema_size, schemas))
            self._limit = max(min(self._limit, BYTES * (tokens - answer) - tools), 1)

    async def _shorten(self, world: World, gathered: Gathered, lang: Lang) -> None:
        """Replace what lies between the task and the last turns by an extract, and by a summary where a model is there.

        Raises:
            Parked, NGError: with ``control``.
        """
        messages, head = self.messages, self._head
        cut = middle_of(messages, head)
        if cut > head:
            middle = messages[head:cut]
            text = extract(middle, gathered.findings.values(), lang, min(MAX_EXTRACT, self._limit // 3))
            if self.summaries < MAX_SUMMARIES:
                self.summaries += 1
                text = await self._summary(middle, world, lang) + text
            self._shortened += 1
            messages[head:cut] = [shortened_message(text, self._shortened, lang)]
            self._size = sum(map(size_of, messages))
        if self.too_long:
            self.messages = squeezed(messages, head, self._limit * 4 // 5, lang)
            self._size = sum(map(size_of, self.messages))

    async def _summary(self, middle: list[Message], world: World, lang: Lang) -> str:
        """A model's summary and an empty line; nothing when none answers: the extract says enough."""
        try:
            tokens = await world.record("summary", lambda: world.room(COMPACT))
            if not tokens:
                return ""
            room = min(self._limit // 2, BYTES * (tokens - 2 * SUMMARY_TOKENS))
            answer = await world.think(summary_request(middle, room, lang), COMPACT)
        except NGError as error:
            if error.control:
                raise
            return ""
        return clean(answer.text).strip() + "\n\n"


def _schema_size(schema: ToolSchema) -> int:
    return len(schema.name) + len(schema.description.encode()) + len(json.dumps(dict(schema.parameters))) + PER_TOOL
