"""What a tool of a server answered: text, structured data, pictures; bounded, and clean to be stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mcp_types as types

from nextgeneration.kernel.canonical import canonical
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.models import Image
from nextgeneration.kernel.show import clean, escaped, shortened
from nextgeneration.tools.pictures import Album

MAX_TEXT = 60_000
MAX_STRUCTURED = 60_000
MAX_BLOCKS = 1_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool answered.

    Attributes:
        failed: the tool itself says that it failed.
        structured: its answer as data; ``None`` when it gave none, or more than is kept.
        images: pictures that models can be shown; the text says of each what it is.
    """

    text: str
    failed: bool = False
    truncated: bool = False
    structured: Any = None
    images: tuple[Image, ...] = ()


def answer_of(result: types.CallToolResult, hidden: Callable[[str], str]) -> Answer:
    """A result as we keep it.

    Args:
        result: the server's.
        hidden: takes out of a text the secrets that the server was given.
    """
    album = Album()
    pieces = [_said(block, album) for block in result.content[:MAX_BLOCKS]]
    structured, left_out = _structured(result.structured_content, hidden)
    text = "\n".join(pieces)
    if not text.strip() and structured is not None:
        text = json.dumps(structured, ensure_ascii=False)
    text = hidden(clean(text))
    truncated = len(text) > MAX_TEXT or len(result.content) > MAX_BLOCKS or left_out
    return Answer(text[:MAX_TEXT], bool(result.is_error), truncated, structured, tuple(album.kept))


def _said(block: types.ContentBlock, album: Album) -> str:
    """A block as text; of what is no text, what it is. Pictures go into the album."""
    if isinstance(block, types.TextContent):
        return block.text
    if isinstance(block, types.EmbeddedResource):
        resource = block.resource
        if isinstance(resource, types.TextResourceContents):
            return f"[{_name(str(resource.uri))}]\n{resource.text}"
        if (resource.mime_type or "").startswith("image/"):
            return f"[{_name(str(resource.uri))}]\n{album.add(resource.blob, _name(resource.mime_type or '?'))}"
        return f"[{_name(str(resource.uri))}: {_name(resource.mime_type or '?')}, {len(resource.blob)}]"
    if isinstance(block, types.ResourceLink):
        return f"[{_name(block.name)}: {_name(str(block.uri))}]"
    if isinstance(block, types.ImageContent):
        return album.add(block.data, _name(block.mime_type))
    return f"[{_name(block.mime_type)}, {len(block.data)}]"


def _name(text: str) -> str:
    return escaped(shortened(text, 500), newlines=False)


def _structured(value: Any, hidden: Callable[[str], str]) -> tuple[Any, bool]:
    """Structured content as plain JSON, and whether it had to be left out."""
    if value is None:
        return None, False
    try:
        kept = json.loads(hidden(clean(canonical(value).decode())))
    except (NGError, ValueError, RecursionError):
        return None, True
    return (kept, False) if len(json.dumps(kept)) <= MAX_STRUCTURED else (None, True)
