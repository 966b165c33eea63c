"""The texts a documentation tool reads: one given in the call, or files of the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from nextgeneration.kernel.tools import ToolContext
from nextgeneration.tools.code.languages import language_of_path
from nextgeneration.tools.code.notes import Notes
from nextgeneration.tools.code.sources import read, select
from nextgeneration.tools.docs.errors import NoText
from nextgeneration.tools.workspace import Workspace

MAX_TEXT = 1_000_000
MAX_FILES = 50
PROSE = frozenset({"Markdown", "reStructuredText", "Text"})


@dataclass(frozen=True, slots=True)
class Document:
    """A text and where it comes from; ``path`` is empty for a text given in the call."""

    path: str
    text: str


def documents(text: str, paths: Sequence[str], tool: str, context: ToolContext, notes: Notes) -> list[Document]:
    """The given text, else the files, else the workspace's README and documentation.

    Raises:
        NoText: none of these is there.
        PathRefused, FileMissing: a path is not in the workspace.
    """
    if text.strip():
        return [Document("", text)]
    workspace = Workspace(context.workspace)
    chosen = select(workspace, paths, notes)
    if not paths:
        chosen = [path for path in chosen if language_of_path(path) in {"Markdown", "reStructuredText"}]
        chosen.sort(key=lambda path: (not PurePosixPath(path).name.lower().startswith("readme"), path.count("/"), path))
    elif any(path not in chosen for path in paths):
        # A folder was named: of its files only prose is meant.
        chosen = [path for path in chosen if language_of_path(path) in PROSE or path in paths]
    found: list[Document] = []
    size = 0
    for path in chosen:
        source = read(workspace, path, notes) if len(found) < MAX_FILES and size < MAX_TEXT else None
        if source is not None and source.text.strip():
            found.append(Document(path, source.text[: MAX_TEXT - size]))
            size += len(source.text)
    if not found:
        raise NoText(tool=tool)
    return found
