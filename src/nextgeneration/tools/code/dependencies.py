"""Dependency manifests: what is not pinned, contradictory, fetched from odd places, or runs on install."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.code import manifests_node, manifests_other, manifests_python
from nextgeneration.tools.code.languages import is_test
from nextgeneration.tools.code.manifest import Manifest
from nextgeneration.tools.code.notes import Notes
from nextgeneration.tools.code.sources import Deadline, read
from nextgeneration.tools.workspace import Workspace

Reader = Callable[[Manifest], None]

_REQUIREMENTS = re.compile(
    r"(?:^|/)(?:[\w.-]*requirements[\w.-]*\.(?:txt|in)|requirements/[\w.-]+\.(?:txt|in)|constraints[\w.-]*\.txt)$"
)
_BY_NAME: dict[str, Reader] = {
    "pyproject.toml": manifests_python.pyproject,
    "package.json": manifests_node.package,
    "go.mod": manifests_other.go_mod,
    "cargo.toml": manifests_other.cargo,
    "gemfile": manifests_other.gemfile,
    "pom.xml": manifests_other.pom,
}


def reader_of(path: str) -> Reader | None:
    """What reads this manifest, ``None`` when the file is not one."""
    known = _BY_NAME.get(PurePosixPath(path).name.lower())
    return known or (manifests_python.requirements if _REQUIREMENTS.search(path.lower()) else None)


def examine(
    workspace: Workspace, paths: Sequence[str], every: Sequence[str], notes: Notes, deadline: Deadline
) -> list[str]:
    """Note what the manifests among ``paths`` show; lock files are looked for in ``every`` path.

    Returns:
        The manifests that were read.
    """
    seen: list[str] = []
    present = frozenset(every)
    for path in paths:
        reader = reader_of(path)
        if reader is None or deadline.over or is_test(path):
            continue
        source = read(workspace, path, notes)
        if source is None:
            continue
        seen.append(path)
        manifest = Manifest(source, notes, present)
        try:
            reader(manifest)
        except (ValueError, RecursionError) as error:
            reason = Texts("cannot be read: {detail}", "illisible : {detail}")
            notes.skip(path, reason, detail=" ".join(str(error).split())[:200])
    if not seen:
        notes.skip("dependencies", Texts("no manifest that is known", "aucun manifeste connu"))
    return seen
