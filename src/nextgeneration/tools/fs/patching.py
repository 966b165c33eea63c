"""``fs.patch``: a unified diff over several files, applied to all of them or to none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from pydantic import BaseModel, Field

from nextgeneration.kernel.canonical import digest_bytes
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel
from nextgeneration.kernel.show import escaped
from nextgeneration.kernel.tools import Preview, ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.errors_paths import FileChanged, FileMissing
from nextgeneration.tools.fs.diff import FilePatch, applied, outcome, parse
from nextgeneration.tools.fs.errors import PatchMisfit
from nextgeneration.tools.fs.writing import control_judgement, state_of
from nextgeneration.tools.workspace import WRITE_LIMIT, Workspace, check_writable

_TITLE = Texts("Change {paths}", "Modifier {paths}")
_CHANGES = Texts("changes {path}", "modifie {path}")
_IS_THERE = Texts("the file is there already", "le fichier existe déjà")
_DONE = {
    "modified": Texts("changed {path} (+{added} −{removed})", "{path} modifié (+{added} −{removed})"),
    "created": Texts("created {path} (+{added})", "{path} créé (+{added})"),
    "deleted": Texts("deleted {path}", "{path} supprimé"),
    "renamed": Texts("renamed to {path}", "renommé en {path}"),
    "already": Texts("{path} had this change already", "{path} avait déjà ce changement"),
}


class PatchArgs(Args):
    """A unified diff."""

    patch: str = Field(
        min_length=1, max_length=2_000_000, description="unified diff with a/ and b/ paths relative to the workspace"
    )


class PatchedEntry(BaseModel):
    """What became of one file: ``modified``, ``created``, ``deleted``, ``renamed`` or ``already``."""

    path: str
    change: str
    added: int
    removed: int


class PatchResult(BaseModel):
    """What became of each file; ``already`` when the whole patch had been applied before."""

    files: list[PatchedEntry]
    already: bool = False


@dataclass(frozen=True, slots=True)
class _Step:
    """One file's change: content and digest before, content after (None: no file)."""

    path: str
    before: bytes | None
    after: bytes | None

    @property
    def expected(self) -> str:
        return "" if self.before is None else digest_bytes(self.before)

    @property
    def left(self) -> str:
        return "" if self.after is None else digest_bytes(self.after)


class FsPatch(BaseTool):
    """Applies a unified diff. A patch that had been applied before succeeds and changes nothing."""

    spec = ToolSpec(
        name="fs.patch",
        summary=Texts(
            "Applies a unified diff to files of the workspace, to all of them or to none.",
            "Applique un diff unifié à des fichiers de l'espace de travail, à tous ou à aucun.",
        ),
        args=PatchArgs,
        result=PatchResult,
        effect=EffectRule.IDEMPOTENT,
        risk=RiskLabel.WRITE,
    )

    def assess(self, args: PatchArgs, context: ToolContext) -> Assessment:
        """``write``, stricter for control files. It rests on the content that the patch is for.

        A file that has the change already counts with its content before, so that doing an
        approved patch again after a crash needs no second approval.
        """
        workspace = Workspace(context.workspace)
        judged = Assessment(label=RiskLabel.WRITE)
        conditions: dict[str, str] = {}
        for patch in parse(args.patch):
            judged = judged.raised(RiskLabel.WRITE, _CHANGES.say(context.lang, path=patch.path))
            for path in _names(patch):
                judged = control_judgement(path, judged, context)
                conditions[f"file:{path}"] = _before(workspace, patch, path)
        return judged.model_copy(update={"conditions": conditions})

    def subjects(self, args: PatchArgs) -> tuple[str, ...]:
        """The paths of all files it changes."""
        return tuple(path for patch in parse(args.patch) for path in _names(patch))

    def preview(self, args: PatchArgs, context: ToolContext) -> Preview:
        """The diff itself."""
        paths = escaped(", ".join(patch.path for patch in parse(args.patch)), newlines=False)
        return Preview(title=_TITLE.say(context.lang, paths=paths), body=escaped(args.patch), kind="diff")

    async def call(self, args: PatchArgs, context: ToolContext) -> ToolResult:
        """Work everything out, then write; what was written is put back when a later file fails."""
        workspace = Workspace(context.workspace)
        entries: list[PatchedEntry] = []
        steps: list[_Step] = []
        for patch in parse(args.patch):
            for path in _names(patch):
                check_writable(path)
            change, planned = _planned(workspace, patch)
            entries.append(PatchedEntry(path=patch.path, change=change, added=patch.added, removed=patch.removed))
            steps += planned
        _write(workspace, steps)
        value = PatchResult(files=entries, already=not steps)
        return ToolResult(value=value.model_dump(), text="\n".join(_said(entry, context.lang) for entry in entries))


def _said(entry: PatchedEntry, lang: Lang) -> str:
    return _DONE[entry.change].say(lang, path=entry.path, added=entry.added, removed=entry.removed)


def _names(patch: FilePatch) -> list[str]:
    return list(dict.fromkeys(name for name in (patch.source, patch.target) if name))


def _content(workspace: Workspace, path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        return workspace.read_bytes(path, WRITE_LIMIT)
    except FileMissing:
        return None


def _text(data: bytes) -> str:
    """The file as text in which every byte survives."""
    return data.decode("utf-8", "surrogateescape")


def _data(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _planned(workspace: Workspace, patch: FilePatch) -> tuple[str, list[_Step]]:
    """What a patch does to its file, and the steps for it: none when it was done before."""
    source, target = _content(workspace, patch.source), _content(workspace, patch.target)
    if patch.source == patch.target and patch.source:
        if source is None:
            raise FileMissing(path=patch.source)
        text, already = outcome(patch, _text(source))
        return ("already", []) if already else ("modified", [_Step(patch.source, source, _data(text))])
    if _was_applied(patch, source, target):
        return "already", []
    if patch.source and source is None:
        raise FileMissing(path=patch.source)
    if patch.target and target is not None:
        raise PatchMisfit(path=patch.target, hunk=1, why=_IS_THERE)
    text = applied(patch, _text(source or b""))
    if patch.target is None:
        if text:
            raise FileChanged(path=patch.path)
        return "deleted", [_Step(patch.path, source, None)]
    made = _Step(patch.target, None, _data(text))
    if patch.source is None:
        return "created", [made]
    return "renamed", [made, _Step(patch.source, source, None)]


def _was_applied(patch: FilePatch, source: bytes | None, target: bytes | None) -> bool:
    """Whether a patch that makes, removes or renames a file left what is there now."""
    if source is not None or (patch.target is not None and target is None):
        return False
    if target is None:
        return True
    try:
        old = applied(patch.reversed(), _text(target))
    except PatchMisfit:
        return False
    return patch.source is not None or not old


def _before(workspace: Workspace, patch: FilePatch, path: str) -> str:
    """The digest of the content a patch is for, whether it is still there or the patch was applied."""
    try:
        content = _content(workspace, path)
        if patch.source == patch.target and content is not None:
            text = _text(content)
            if outcome(patch, text)[1]:
                return digest_bytes(_data(applied(patch.reversed(), text)))
        elif _was_applied(patch, _content(workspace, patch.source), _content(workspace, patch.target)):
            return _before_move(workspace, patch, path)
    except NGError as error:
        if not isinstance(error, PatchMisfit):
            return error.code
    return state_of(workspace, path)


def _before_move(workspace: Workspace, patch: FilePatch, path: str) -> str:
    if path != patch.source:
        return "absent"
    old = applied(patch.reversed(), _text(_content(workspace, patch.target) or b""))
    return digest_bytes(_data(old))


def _write(workspace: Workspace, steps: list[_Step]) -> None:
    done: list[_Step] = []
    missing = {step.path: _missing_folders(workspace, step.path) for step in steps if step.before is None}
    try:
        for step in steps:
            _put(workspace, step.path, step.after, step.expected)
            done.append(step)
    except BaseException:
        for step in reversed(done):
            try:
                _put(workspace, step.path, step.before, step.left)
            except NGError:
                continue  # somebody else changed it meanwhile: theirs stays
        for folders in missing.values():
            for folder in folders:
                workspace.remove_empty_folder(folder)
        raise


def _put(workspace: Workspace, path: str, content: bytes | None, expected: str) -> None:
    if content is None:
        workspace.remove(path, expected=expected)
    else:
        workspace.write_bytes(path, content, expected=expected)


def _missing_folders(workspace: Workspace, path: str) -> list[str]:
    """The folders above ``path`` that do not exist yet, deepest first."""
    parents = [str(parent) for parent in PurePosixPath(path).parents][:-1]
    return [folder for folder in parents if not workspace.has_folder(folder)]
