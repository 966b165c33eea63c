"""What security refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import escaped, shortened


class Refusal(NamedTuple):
    """One reason to refuse a template: the JSON pointer of the place, why, and what to do. Never quotes a secret."""

    pointer: str
    what: Texts
    fix: Texts


class SecurityError(NGError):
    """Base of what this room raises."""


class TemplateRefused(SecurityError, ValueError):
    """The validator found something in a template that must not become an agent.

    Instances carry ``reasons``, a tuple of :class:`Refusal`.
    """

    code = "NG-SECURITY-001"
    what = Texts("The template was refused: {detail}", "Le modèle est refusé : {detail}")
    mend = Texts(
        "Remove what is named, or have whoever installs the system allow it.",
        "Retirez ce qui est nommé, ou faites-le autoriser par la personne qui installe le système.",
    )

    @classmethod
    def because(cls, path: str, reasons: Sequence[Refusal]) -> Self:
        """The refusal of the template at ``path`` for all ``reasons``."""
        shown = [(shortened(escaped(reason.pointer, newlines=False), 200), reason) for reason in reasons[:10]]
        en, fr = (
            "; ".join(f"{place} {reason.what.say(lang)} {reason.fix.say(lang)}".lstrip() for place, reason in shown)
            for lang in ("en", "fr")
        )
        return cls(where=path, detail=Texts(en, fr), reasons=tuple(reasons))


class BadPermissionRule(SecurityError, ValueError):
    """A permission rule that cannot be read. Nothing is decided with it."""

    code = "NG-SECURITY-002"
    what = Texts("This permission rule cannot be read: {rule}", "Cette règle de permission est illisible : {rule}")
    mend = Texts(
        "Write a tool name such as fs.write or fs.*, alone or with a pattern: fs.write(docs/*).",
        "Écrivez un nom d'outil tel que fs.write ou fs.*, seul ou avec un motif : fs.write(docs/*).",
    )
