"""What a walk through a project leaves out: tool folders, and what ``.gitignore`` names.

Git itself is not asked: ``git ls-files`` runs programs that the repository's own configuration
names (``core.fsmonitor``), and a workspace is not trusted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nextgeneration.tools.globs import matches, segment

SKIPPED_FOLDERS = frozenset({
    ".git", ".hg", ".svn", ".jj", "node_modules", "bower_components", ".venv", "venv", "__pycache__", ".mypy_cache",
    ".ruff_cache", ".pytest_cache", ".hypothesis", ".tox", ".nox", ".eggs", ".cache", ".gradle", ".terraform", ".next",
    ".nuxt", ".svelte-kit", ".parcel-cache", ".turbo", ".yarn", ".pnpm-store", ".ipynb_checkpoints", ".dart_tool",
})  # fmt: skip
"""Folders that hold other people's code, history or caches, never a project's own files."""

_MAX_LINES = 2_000
_MAX_LINE = 1_000


@dataclass(frozen=True, slots=True)
class _Rule:
    parts: tuple[str, ...]
    negated: bool
    folders_only: bool


class IgnoreRules:
    """The rules of one ``.gitignore``: of the lines that match, the last one decides."""

    def __init__(self, text: str) -> None:
        self._rules = [rule for line in text.splitlines()[:_MAX_LINES] if (rule := _rule(line))]
        # Most entries match no rule at all: one expression over the rules' last segments says so at once.
        last = {rule.parts[-1] for rule in self._rules}
        self._always = "**" in last
        self._names = re.compile("|".join(f"(?:{segment(name).pattern})" for name in sorted(last)) or "(?!)")

    def verdict(self, path: str, folder: bool) -> bool | None:
        """True when ``path`` (relative to the file's folder) is left out, False when kept, None when not named."""
        name = path.rpartition("/")[2]
        if not self._always and not self._names.match(name):
            return None
        parts = tuple(path.split("/"))
        for rule in reversed(self._rules):
            if (folder or not rule.folders_only) and matches(rule.parts, parts):
                return not rule.negated
        return None


def _rule(line: str) -> _Rule | None:
    text = line.rstrip()
    if text.endswith("\\") and text != line:
        text += " "  # an escaped space at the end belongs to the name
    if not text or text.startswith("#") or len(text) > _MAX_LINE:
        return None
    negated = text.startswith("!")
    text = text[1:] if negated else text
    folders_only = text.endswith("/")
    anchored = "/" in text.rstrip("/")
    parts = tuple(part for part in text.split("/") if part)
    if not parts:
        return None
    return _Rule(parts if anchored else ("**", *parts), negated, folders_only)
