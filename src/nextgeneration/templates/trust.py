"""Whose `allow` rules count: those of a template that lies in a workspace only after a human trusted it.

A workspace may be somebody else's, cloned a minute ago. Its templates may ask and deny as they like; what they
would allow unasked is set aside, at the template's own level, until its file *and* everything it is built on has
been trusted as it stands: by the digest of the resolved revision, for this file. Whoever is built on such a
template is in the same position. A template of ``NG_HOME``, of a folder named in the settings, or a built-in
one is the human's own.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextgeneration.templates.errors import NothingToTrust
from nextgeneration.templates.folders import Signature, signature_of
from nextgeneration.templates.revision import Revision

_WORKSPACE_FOLDER = (".nextgen", "templates")


@dataclass(frozen=True, slots=True)
class Trusted:
    """One template's file, and the digest of the revision a human trusted there."""

    path: str
    digest: str


class Trust:
    """What a human trusted, in one file.

    Args:
        file: where it is kept; without one nothing is trusted.
        own: folders of the human's own, although they look like a workspace's.
    """

    def __init__(self, file: Path | None = None, *own: Path) -> None:
        self._file = None if file is None else file.expanduser().absolute()
        self._own = frozenset(folder.expanduser().absolute() for folder in own)
        self._known: tuple[Signature | None, dict[str, str]] = (None, {})

    def signature(self) -> Signature | None:
        """What tells that the file changed."""
        return signature_of(self._file) if self._file else None

    def is_foreign(self, folder: Path) -> bool:
        """Whether a folder of templates came with a workspace."""
        return folder.parts[-2:] == _WORKSPACE_FOLDER and folder not in self._own

    def judged(self, revision: Revision) -> Revision:
        """A revision of foreign origin as it may be used: whole when it is trusted, else without its own allows."""
        rules = _own_rules(revision)
        if not rules.get("allow") or self._digests().get(revision.source) == revision.digest:
            return revision
        return _with_own_rules(revision, {**rules, "allow": [], "untrusted": rules["allow"]})

    def add(self, revision: Revision) -> Trusted:
        """Trust exactly ``revision``, as it was shown, where it lies.

        Raises:
            NothingToTrust: nothing of it was set aside.
        """
        if not set_aside(revision):
            raise NothingToTrust(name=revision.name, source=revision.source)
        made = Trusted(revision.source, entire(revision).digest)
        self._write({**self._digests(), made.path: made.digest})
        return made

    def remove(self, path: str) -> bool:
        """Trust what lies at ``path`` no longer; whether it was trusted."""
        digests = dict(self._digests())
        found = digests.pop(path, None) is not None
        if found:
            self._write(digests)
        return found

    def __iter__(self) -> Iterator[Trusted]:
        return (Trusted(path, digest) for path, digest in sorted(self._digests().items()))

    def _digests(self) -> dict[str, str]:
        """Trusted digests by file. A record that cannot be read trusts nothing."""
        signature = self.signature()
        if signature is None or signature != self._known[0]:
            self._known = (signature, _read(self._file) if self._file and signature else {})
        return self._known[1]

    def _write(self, digests: dict[str, str]) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = self._file.with_name(f"{self._file.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump({"version": 1, "trusted": digests}, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._file)
        finally:
            beside.unlink(missing_ok=True)


def set_aside(revision: Revision) -> tuple[str, ...]:
    """The template's own allow rules that do not count."""
    return tuple(_own_rules(revision).get("untrusted", ()))


def entire(revision: Revision) -> Revision:
    """A revision with the allow rules that were set aside at its own level."""
    rules = dict(_own_rules(revision))
    allow = rules.pop("untrusted", [])
    return _with_own_rules(revision, {**rules, "allow": allow}) if allow else revision


def _own_rules(revision: Revision) -> dict[str, Any]:
    """The level of permissions that the template itself adds; empty when it adds none."""
    levels = revision.data["permissions"]
    own = levels and revision.origins.get(f"/permissions/{len(levels) - 1}") == revision.name
    return dict(levels[-1]) if own else {}


def _with_own_rules(revision: Revision, rules: dict[str, Any]) -> Revision:
    data = {**revision.data, "permissions": [*revision.data["permissions"][:-1], rules]}
    return Revision.from_data(data, source=revision.source, origins=revision.origins)


def _read(file: Path) -> dict[str, str]:
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        found = json.loads(file.read_text(encoding="utf-8"))["trusted"]
        return {path: digest for path, digest in found.items() if isinstance(digest, str)}
    return {}
