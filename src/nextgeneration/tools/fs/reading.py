"""``fs.read``, ``fs.list`` and ``fs.glob``."""

from __future__ import annotations

import asyncio
import base64
import stat
from typing import Any

from pydantic import BaseModel, Field

from nextgeneration.kernel.canonical import digest_bytes
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.risk import Assessment, RiskLabel
from nextgeneration.kernel.tools import Label, ToolContext, ToolResult, ToolSpec
from nextgeneration.security.secrets import without_keys
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.control_files import may_hold_secrets
from nextgeneration.tools.fs.diff import lines_of
from nextgeneration.tools.globs import Glob
from nextgeneration.tools.pictures import JPEG, Album, measured
from nextgeneration.tools.workspace import Workspace

MAX_FILE = 20_000_000
MAX_CHARACTERS = 60_000
MAX_ENTRIES = 2_000

_SECRETS = Texts("{path} normally holds secrets", "{path} contient normalement des secrets")
_BINARY = Texts("{path}: binary, {size} bytes", "{path} : binaire, {size} octets")
_PICTURE = Texts("{path}: {told}, {size} bytes", "{path} : {told}, {size} octets")
_MORE = Texts("[lines {first}–{last} of {total}]", "[lignes {first}–{last} sur {total}]")
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}


class ReadArgs(Args):
    """Which file, and which of its lines."""

    path: str = Field(description="relative to the workspace")
    offset: int = Field(default=1, ge=1, description="first line, counted from 1")
    limit: int = Field(default=2_000, ge=1, le=20_000, description="number of lines at most")


class ReadResult(BaseModel):
    """A text file's lines, what a picture is, or only the size and digest of another binary file."""

    path: str
    text: str = ""
    first_line: int = 0
    last_line: int = 0
    total_lines: int = 0
    size: int
    digest: str
    binary: bool = False
    picture: str = ""
    """The media type of a picture that models can see."""
    width: int = 0
    height: int = 0


class FsRead(BaseTool):
    """Reads a text file, or a part of it, or a picture."""

    spec = ToolSpec(
        name="fs.read",
        summary=Texts(
            "Reads a text file of the workspace, or shows a picture (PNG, JPEG, GIF, WebP).",
            "Lit un fichier texte de l'espace de travail, ou montre une image (PNG, JPEG, GIF, WebP).",
        ),
        args=ReadArgs,
        result=ReadResult,
        aliases=("file_reader",),
    )

    def assess(self, args: ReadArgs, context: ToolContext) -> Assessment:
        """``safe``; a file that normally holds secrets asks, because what is read is kept and shown."""
        judged = Assessment(label=RiskLabel.SAFE)
        if may_hold_secrets(args.path):
            judged = judged.raised(RiskLabel.UNKNOWN, _SECRETS.say(context.lang, path=args.path))
        return judged

    async def call(self, args: ReadArgs, context: ToolContext) -> ToolResult:
        """The lines asked for; of a picture, what it is, and the picture itself for a model that sees."""
        data = Workspace(context.workspace).read_bytes(args.path, MAX_FILE)
        known = {"path": args.path, "size": len(data), "digest": digest_bytes(data)}
        if b"\0" in data[:8_192] or data[:3] == JPEG:
            seen = _seen(data, known, context)
            if seen is not None:
                return seen
            value = ReadResult(**known, binary=True)
            return ToolResult(value=value.model_dump(), text=_BINARY.say(context.lang, path=args.path, size=len(data)))
        # Of the whole file: a part of a private key alone does not show what it is.
        lines = lines_of(without_keys(data.decode("utf-8", "replace")))
        wanted = lines[args.offset - 1 : args.offset - 1 + args.limit]
        text = "".join(wanted)
        while len(text) > MAX_CHARACTERS and len(wanted) > 1:
            wanted = wanted[: len(wanted) * MAX_CHARACTERS // len(text)] or wanted[:1]
            text = "".join(wanted)
        text, last = text[:MAX_CHARACTERS], args.offset - 1 + len(wanted)
        value = ReadResult(
            **known, text=text, first_line=args.offset if wanted else 0, last_line=last, total_lines=len(lines)
        )
        whole = args.offset == 1 and last >= len(lines)
        note = "" if whole else "\n" + _MORE.say(context.lang, first=args.offset, last=last, total=len(lines))
        labels = (Label.SECRET,) if may_hold_secrets(args.path) else ()
        return ToolResult(value=value.model_dump(), text=text + note, truncated=last < len(lines), labels=labels)


def _seen(data: bytes, known: dict[str, Any], context: ToolContext) -> ToolResult | None:
    """The result of a picture; ``None`` for any other file."""
    coded = base64.b64encode(data).decode()
    picture = measured(coded)
    if picture is None:
        return None
    album = Album()
    told = album.add(coded, picture.media_type).strip("[]")
    value = ReadResult(**known, binary=True, picture=picture.media_type, width=picture.width, height=picture.height)
    said = _PICTURE.say(context.lang, path=known["path"], told=told, size=known["size"])
    return ToolResult(value=value.model_dump(), text=said, images=tuple(album.kept), truncated=not album.kept)


class ListArgs(Args):
    """Which folder."""

    path: str = Field(default=".", description="folder, relative to the workspace")


class Entry(BaseModel):
    """One entry of a folder."""

    name: str
    kind: str
    size: int = 0


class ListResult(BaseModel):
    """What a folder holds."""

    path: str
    entries: list[Entry]


class FsList(BaseTool):
    """Lists one folder, links not followed."""

    spec = ToolSpec(
        name="fs.list",
        summary=Texts("Lists a folder of the workspace.", "Liste un dossier de l'espace de travail."),
        args=ListArgs,
        result=ListResult,
    )

    async def call(self, args: ListArgs, context: ToolContext) -> ToolResult:
        """The entries by name."""
        entries = [
            Entry(
                name=name.encode("utf-8", "replace").decode(),
                kind=(kind := _KINDS.get(stat.S_IFMT(state.st_mode), "other")),
                size=state.st_size if kind == "file" else 0,
            )
            for name, state in Workspace(context.workspace).entries(args.path)
        ]
        shown = entries[:MAX_ENTRIES]
        return ToolResult(
            value=ListResult(path=args.path, entries=shown).model_dump(),
            text="\n".join(entry.name + ("/" if entry.kind == "folder" else "") for entry in shown),
            truncated=len(shown) < len(entries),
        )


class GlobArgs(Args):
    """Which files."""

    pattern: str = Field(
        min_length=1, max_length=1_000, description="such as `**/*.py` or `*.{yml,yaml}`; without a slash at any depth"
    )
    limit: int = Field(default=1_000, ge=1, le=MAX_ENTRIES, description="number of files at most")


class GlobResult(BaseModel):
    """Files by path."""

    files: list[str]
    unshown: list[str] = []


_UNSHOWN = Texts("[left out, their names cannot be shown: {names}]", "[omis, leurs noms ne s'affichent pas : {names}]")


class FsGlob(BaseTool):
    """Finds the project's files by name; caches, other people's code and ignored files are left out."""

    spec = ToolSpec(
        name="fs.glob",
        summary=Texts(
            "Finds the project's files by a pattern of their paths.",
            "Trouve les fichiers du projet par un motif de leur chemin.",
        ),
        args=GlobArgs,
        result=GlobResult,
    )

    async def call(self, args: GlobArgs, context: ToolContext) -> ToolResult:
        """The paths that fit."""
        glob = Glob(args.pattern)
        workspace = Workspace(context.workspace)
        files = await asyncio.to_thread(workspace.files)
        found = [path for path in files if glob.matches(path)]
        shown = found[: args.limit]
        unshown = list(workspace.unshown[:50])
        lines = [*shown, _UNSHOWN.say(context.lang, names=", ".join(unshown[:10]))] if unshown else shown
        value = GlobResult(files=shown, unshown=unshown)
        return ToolResult(value=value.model_dump(), text="\n".join(lines), truncated=len(shown) < len(found))
