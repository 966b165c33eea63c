"""``fs.write`` and ``fs.write_markdown``."""

from __future__ import annotations

from pathlib import PurePosixPath

from pydantic import BaseModel, Field

from nextgeneration.kernel.canonical import digest_bytes
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel
from nextgeneration.kernel.show import escaped
from nextgeneration.kernel.tools import Preview, ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.control_files import control_file
from nextgeneration.tools.errors_paths import FileMissing, FileTooLarge, PathRefused
from nextgeneration.tools.fs.diff import difference
from nextgeneration.tools.fs.errors import NotMarkdown
from nextgeneration.tools.workspace import Workspace, check_writable

_CREATES = Texts("creates {path}", "crée {path}")
_REPLACES = Texts("replaces {path}", "remplace {path}")
_ALREADY = Texts("{path} already has this content", "{path} a déjà ce contenu")
_WROTE = Texts("wrote {path}, {size} bytes", "{path} écrit, {size} octets")
_TITLE = Texts("Write {path}", "Écrire {path}")


class WriteArgs(Args):
    """A file and its whole new content."""

    path: str = Field(description="relative to the workspace; missing folders are made")
    content: str = Field(max_length=2_000_000, description="the whole content")


class WriteResult(BaseModel):
    """What was written."""

    path: str
    size: int
    digest: str
    created: bool = False
    already: bool = False


def control_judgement(path: str, judged: Assessment, context: ToolContext) -> Assessment:
    """``judged``, raised to ``privileged`` when ``path`` is a control file (some are refused altogether)."""
    control = control_file(path)
    reason = f"{path}: {control.why.say(context.lang)}" if control else ""
    return judged.raised(RiskLabel.PRIVILEGED, reason) if control else judged


def state_of(workspace: Workspace, path: str) -> str:
    """The condition an approval of a change of ``path`` rests on: its digest, or why it has none."""
    try:
        return workspace.digest(path) or "absent"
    except NGError as error:
        return error.code


class FsWrite(BaseTool):
    """Puts a text at a path, in one step."""

    spec = ToolSpec(
        name="fs.write",
        summary=Texts("Writes a text file in the workspace.", "Écrit un fichier texte dans l'espace de travail."),
        args=WriteArgs,
        result=WriteResult,
        effect=EffectRule.IDEMPOTENT,
        risk=RiskLabel.WRITE,
    )

    def assess(self, args: WriteArgs, context: ToolContext) -> Assessment:
        """``write``; ``privileged`` for a control file. It rests on what is there now."""
        state = state_of(Workspace(context.workspace), args.path)
        reason = (_CREATES if state == "absent" else _REPLACES).say(context.lang, path=args.path)
        judged = Assessment(label=RiskLabel.WRITE, reasons=(reason,), conditions={f"file:{args.path}": state})
        return control_judgement(args.path, judged, context)

    def preview(self, args: WriteArgs, context: ToolContext) -> Preview:
        """The difference to what is there now."""
        old, source = "", "/dev/null"
        try:
            old = Workspace(context.workspace).read_text(args.path)
            source = f"a/{args.path}"
        except (FileMissing, FileTooLarge, PathRefused):
            pass  # shown as new; the call itself says what is wrong
        return Preview(
            title=_TITLE.say(context.lang, path=escaped(args.path, newlines=False)),
            body=escaped(difference(old, args.content, source, f"b/{args.path}")),
            kind="diff",
        )

    async def call(self, args: WriteArgs, context: ToolContext) -> ToolResult:
        """Write it; a file that has the content already is left alone."""
        workspace = Workspace(context.workspace)
        data = args.content.encode("utf-8", "replace")
        check_writable(args.path)
        before, wanted = workspace.digest(args.path), digest_bytes(data)
        if before != wanted:
            workspace.write_bytes(args.path, data)
        value = WriteResult(path=args.path, size=len(data), digest=wanted, created=not before, already=before == wanted)
        text = (_ALREADY if value.already else _WROTE).say(context.lang, path=args.path, size=len(data))
        return ToolResult(value=value.model_dump(), text=text)


class FsWriteMarkdown(FsWrite):
    """Writes a Markdown file, and nothing else."""

    spec = ToolSpec(
        name="fs.write_markdown",
        summary=Texts(
            "Writes a Markdown file in the workspace.", "Écrit un fichier Markdown dans l'espace de travail."
        ),
        args=WriteArgs,
        result=WriteResult,
        effect=EffectRule.IDEMPOTENT,
        risk=RiskLabel.WRITE,
        aliases=("markdown_writer",),
    )

    async def call(self, args: WriteArgs, context: ToolContext) -> ToolResult:
        """Write it, with a newline at its end."""
        if PurePosixPath(args.path).suffix.lower() not in (".md", ".markdown"):
            raise NotMarkdown(path=args.path)
        content = args.content.rstrip("\n") + "\n"
        return await super().call(args.model_copy(update={"content": content}), context)
