"""What can be wrong with a template, from the first byte of its file to its last parent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import LANGUAGES, Lang, Texts
from nextgeneration.kernel.show import escaped, shortened

_MOST_SHOWN = 10
_LONGEST_POINTER = 200


class Problem(NamedTuple):
    """One thing that is wrong at one place of a template.

    Attributes:
        pointer: JSON pointer (RFC 6901) of the place; empty for the whole document.
        what: what is wrong there. Never quotes a value, which could be a secret.
        fix: what to do about it.
        line: line of the file, counted from 1; ``None`` when there is no file.
    """

    pointer: str
    what: Texts
    fix: Texts
    line: int | None = None

    @property
    def place(self) -> str:
        """The pointer made fit to be shown: its keys come from the file."""
        return shortened(escaped(self.pointer, newlines=False), _LONGEST_POINTER)

    def say(self, lang: Lang = "en") -> str:
        """Place, what and fix in one line."""
        words = Texts("line", "ligne").say(lang)
        place = " ".join(part for part in (f"{words} {self.line}" if self.line else "", self.place) if part)
        text = f"{self.what.say(lang)} {self.fix.say(lang)}"
        return f"{place}: {text}" if place else text


class TemplateError(NGError):
    """Base of what this room raises."""


class TemplateUnknown(TemplateError, LookupError):
    """No template has this name."""

    code = "NG-TEMPLATE-001"
    what = Texts("There is no template named {name}{hint}", "Aucun modèle ne s'appelle {name}{hint}")
    mend = Texts(
        "`nextgen templates list` shows the templates; `nextgen templates new` makes one.",
        "`nextgen templates list` montre les modèles ; `nextgen templates new` en crée un.",
    )


class TemplateNameRefused(TemplateUnknown, ValueError):
    """No template may be called so."""

    code = "NG-TEMPLATE-022"
    what = Texts("A template cannot be called {name}", "Un modèle ne peut s'appeler {name}")
    mend = Texts(
        "Take a letter, then a-z, 0-9, _ and -, 64 in all at most.",
        "Prenez une lettre, puis a-z, 0-9, _ et -, 64 en tout au plus.",
    )
    exit_code = 2


class TemplateInvalid(TemplateError, ValueError):
    """A template cannot be used as it stands. Each kind of hostile file has its own subclass.

    Instances carry ``name``, ``path``, and ``problems`` (a tuple of :class:`Problem`).
    """

    code = "NG-TEMPLATE-002"
    what = Texts("The template is not valid: {detail}", "Le modèle n'est pas valide : {detail}")
    mend = Texts(
        "Correct the places named; `nextgen templates lint` shows them all, `nextgen templates schema` the form.",
        "Corrigez les endroits nommés ; `nextgen templates lint` les montre tous, `nextgen templates schema` la forme.",
    )

    @classmethod
    def at(cls, path: str, problems: Iterable[Problem], **values: Any) -> Self:
        """The error for ``problems`` of the template at ``path`` (a file, or a word for a template in memory)."""
        found = tuple(problems)
        first = found[0]
        where = f"{path}:{first.line}" if first.line else path
        return cls(
            where=f"{where} {first.place}" if first.pointer else where,
            path=path,
            pointer=first.pointer,
            line=first.line,
            problems=found,
            detail=_joined(found),
            **values,
        )

    def again(self) -> Self:
        """The same error as a new object, so that two raisers do not share a traceback."""
        return type(self)(where=self.where, **self.values)


def _joined(problems: tuple[Problem, ...]) -> Texts:
    if len(problems) == 1:
        (only,) = problems  # its place stands before the message
        return Texts(*(f"{only.what.say(lang)} {only.fix.say(lang)}" for lang in LANGUAGES))
    shown, more = problems[:_MOST_SHOWN], len(problems) - _MOST_SHOWN
    en, fr = ("; ".join(problem.say(lang) for problem in shown) for lang in LANGUAGES)
    return Texts(f"{en}; and {more} more", f"{fr} ; et {more} de plus") if more > 0 else Texts(en, fr)


class NotJson(TemplateInvalid):
    """The text is not JSON, even with comments allowed."""

    code = "NG-TEMPLATE-003"
    what = Texts("This is not JSON: {detail}", "Ce n'est pas du JSON : {detail}")


class DuplicateKey(TemplateInvalid):
    """An object has the same key twice; readers would disagree on which one counts."""

    code = "NG-TEMPLATE-004"
    what = Texts("A key stands twice: {detail}", "Une clé apparaît deux fois : {detail}")


class TemplateTooLarge(TemplateInvalid):
    """The file, or what it decompresses to, is larger than the limit. It was not read."""

    code = "NG-TEMPLATE-005"
    what = Texts("The template is too large: {detail}", "Le modèle est trop grand : {detail}")


class TemplateTooDeep(TemplateInvalid):
    """Objects and lists are nested deeper than the limit."""

    code = "NG-TEMPLATE-006"
    what = Texts("The template is nested too deeply: {detail}", "Le modèle est trop imbriqué : {detail}")


class NumberRefused(TemplateInvalid):
    """A number that JSON does not have, or that not every reader reads alike."""

    code = "NG-TEMPLATE-007"
    what = Texts("A number cannot be used: {detail}", "Un nombre est inutilisable : {detail}")


class NotUnicode(TemplateInvalid):
    """The bytes are not UTF-8, or an escape makes half a character."""

    code = "NG-TEMPLATE-008"
    what = Texts("The text is not valid Unicode: {detail}", "Le texte n'est pas de l'Unicode valide : {detail}")


class TemplatePathRefused(TemplateInvalid):
    """The path is not a regular file inside the templates folder."""

    code = "NG-TEMPLATE-009"
    what = Texts("This file is not read: {detail}", "Ce fichier n'est pas lu : {detail}")


class NotCompressed(TemplateInvalid):
    """A ``.json.zst`` file that Zstandard cannot decompress."""

    code = "NG-TEMPLATE-010"
    what = Texts("This is not a Zstandard file: {detail}", "Ce n'est pas un fichier Zstandard : {detail}")


class ParentMissing(TemplateInvalid):
    """The parent is nowhere on the search path."""

    code = "NG-TEMPLATE-011"
    what = Texts("The parent is missing: {detail}", "Le parent manque : {detail}")


class ParentVersionRefused(TemplateInvalid):
    """The parent that is there has a version outside the range asked for."""

    code = "NG-TEMPLATE-012"
    what = Texts("The parent's version does not fit: {detail}", "La version du parent ne convient pas : {detail}")


class ParentCycle(TemplateInvalid):
    """A template is its own ancestor."""

    code = "NG-TEMPLATE-013"
    what = Texts("The parents go in a circle: {detail}", "Les parents tournent en rond : {detail}")


class ParentsTooDeep(TemplateInvalid):
    """More ancestors than the limit."""

    code = "NG-TEMPLATE-014"
    what = Texts("There are too many parents: {detail}", "Il y a trop de parents : {detail}")


class ParentInvalid(TemplateInvalid):
    """The parent exists but is not valid itself."""

    code = "NG-TEMPLATE-015"
    what = Texts("The parent is not valid: {detail}", "Le parent n'est pas valide : {detail}")


class TemplateDangerous(TemplateInvalid):
    """The security validator refused it before anything else looked at it."""

    code = "NG-TEMPLATE-016"
    what = Texts("The template was refused for safety: {detail}", "Le modèle est refusé par sécurité : {detail}")


class RevisionAltered(TemplateError, ValueError):
    """A stored revision is not what its digest says."""

    code = "NG-TEMPLATE-017"
    what = Texts(
        "The stored revision {name} does not fit its digest: {detail}",
        "La révision enregistrée {name} ne correspond pas à son empreinte : {detail}",
    )
    mend = Texts(
        "The record was changed or damaged: restore it from a backup, or start the mission again.",
        "L'enregistrement a été modifié ou abîmé : restaurez une sauvegarde, ou relancez la mission.",
    )


class NameTaken(TemplateError, ValueError):
    """A scaffold would overwrite a file."""

    code = "NG-TEMPLATE-018"
    what = Texts("{name} already exists in {path}", "{name} existe déjà dans {path}")
    mend = Texts(
        "Choose another name, or edit the file that is there.", "Choisissez un autre nom, ou modifiez ce fichier."
    )


class BadRange(TemplateError, ValueError):
    """A version or a range of versions that cannot be read."""

    code = "NG-TEMPLATE-019"
    what = Texts("{text} is not a version or a range of versions", "{text} n'est pas une version ni un intervalle")
    mend = Texts("Write 1.2.0, ^1.2, ~1.2, or >=1.0 <2.0.", "Écrivez 1.2.0, ^1.2, ~1.2, ou >=1.0 <2.0.")


class BadExpression(TemplateError, ValueError):
    """A playbook value that is not JMESPath."""

    code = "NG-TEMPLATE-020"
    what = Texts("This is not a JMESPath expression: {detail}", "Ce n'est pas une expression JMESPath : {detail}")
    mend = Texts(
        "See https://jmespath.org; literal text needs no `$`.",
        "Voir https://jmespath.org ; un texte littéral n'a pas besoin de `$`.",
    )


class NothingToTrust(TemplateError, ValueError):
    """A human would trust a template that needs no trust."""

    code = "NG-TEMPLATE-021"
    what = Texts(
        "{name} has no allow rules that wait for trust ({source})",
        "{name} n'a pas de règles allow en attente d'approbation ({source})",
    )
    mend = Texts(
        "Nothing needs to be done: ask and deny rules always count, and so do your own templates' allow rules.",
        "Il n'y a rien à faire : les règles ask et deny comptent toujours, comme les allow de vos propres modèles.",
    )


def pointer_of(parts: Iterable[str | int]) -> str:
    """The JSON pointer of a path of keys and indexes."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def nearest(pointer: str, places: Mapping[str, int]) -> int | None:
    """What ``places`` holds for ``pointer`` or its closest ancestor."""
    while pointer not in places:
        if not pointer:
            return None
        pointer = pointer.rpartition("/")[0]
    return places[pointer]
