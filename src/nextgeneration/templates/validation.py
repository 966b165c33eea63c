"""From a parsed document to a checked one: safety first, then form, every fault with its place and mend."""

from __future__ import annotations

import difflib
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nextgeneration.kernel.language import Texts
from nextgeneration.security.errors import TemplateRefused
from nextgeneration.security.validator import TemplateSecurityValidator
from nextgeneration.templates.errors import Problem, TemplateDangerous, TemplateInvalid, pointer_of
from nextgeneration.templates.form import (
    NAME_PATTERN,
    TAGS,
    Append,
    Bilingual,
    Budget,
    Capability,
    HookTable,
    Model,
    Permissions,
    Route,
    Step,
    TemplateFile,
)
from nextgeneration.templates.reader import SUFFIXES, Document

_PARTS: dict[str, type[BaseModel]] = {
    "capabilities": Capability,
    "supervisor_route": Route,
    "description": Bilingual,
    "instructions": Append,
    "playbook": Step,
    "model": Model,
    "permissions": Permissions,
    "budget": Budget,
    "hooks": HookTable,
}

_FORM = Texts("See `nextgen templates schema`.", "Voir `nextgen templates schema`.")
_OBJECT = (Texts("this is not an object.", "ce n'est pas un objet."), Texts("Put it in { }.", "Mettez-le entre { }."))
_INTEGER = (
    Texts("this is not a whole number.", "ce n'est pas un nombre entier."),
    Texts("Write digits only, unquoted.", "N'écrivez que des chiffres, sans guillemets."),
)
_TYPES: dict[str, tuple[Texts, Texts]] = {
    "missing": (
        Texts("this key is required and missing.", "cette clé est obligatoire et absente."),
        Texts("Add it.", "Ajoutez-la."),
    ),
    "string_type": (
        Texts("this is not a text.", "ce n'est pas un texte."),
        Texts("Put it in double quotes.", "Mettez-le entre guillemets doubles."),
    ),
    "bool_type": (
        Texts("this is not true or false.", "ce n'est ni true ni false."),
        Texts("Write true or false, unquoted.", "Écrivez true ou false, sans guillemets."),
    ),
    "float_type": (
        Texts("this is not a number.", "ce n'est pas un nombre."),
        Texts("Write a number, unquoted.", "Écrivez un nombre, sans guillemets."),
    ),
    "list_type": (
        Texts("this is not a list.", "ce n'est pas une liste."),
        Texts("Put it in [ ].", "Mettez-le entre [ ]."),
    ),
    "int_type": _INTEGER,
    "int_from_float": _INTEGER,
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
}
_LIMITS: dict[str, Texts] = {
    "string_too_long": Texts(
        "this text is longer than {max_length} characters.", "ce texte dépasse {max_length} caractères."
    ),
    "string_too_short": Texts("this text is empty.", "ce texte est vide."),
    "too_long": Texts("this list has more than {max_length} items.", "cette liste a plus de {max_length} éléments."),
    "greater_than": Texts("this number is not above {gt}.", "ce nombre n'est pas supérieur à {gt}."),
    "greater_than_equal": Texts("this number is below {ge}.", "ce nombre est inférieur à {ge}."),
    "less_than_equal": Texts("this number is above {le}.", "ce nombre est supérieur à {le}."),
    "literal_error": Texts("this is not one of {expected}.", "ceci n'est pas l'une des valeurs {expected}."),
}
_PATTERNS: dict[str, tuple[Texts, Texts]] = {
    NAME_PATTERN: (
        Texts("this is not a template's name.", "ce n'est pas un nom de modèle."),
        Texts("Use a-z, 0-9, _ and -, a letter first.", "Utilisez a-z, 0-9, _ et -, une lettre d'abord."),
    ),
}


def check(document: Document, validator: TemplateSecurityValidator) -> dict[str, Any]:
    """The document's data, once it is known to be a template.

    Raises:
        TemplateDangerous: the security validator refused it.
        TemplateInvalid: it is not in the form of a template; every fault is named.
    """
    data = document.data
    if not isinstance(data, dict):
        what = Texts("a template is a JSON object.", "un modèle est un objet JSON.")
        fix = Texts("Put it in { }.", "Mettez-le entre { }.")
        raise TemplateInvalid.at(document.path, [Problem("", what, fix, document.line_of(""))])
    try:
        validator.validate(data, document.path)
    except TemplateRefused as refused:
        reasons = [Problem(r.pointer, r.what, r.fix, document.line_of(r.pointer)) for r in refused.reasons]
        raise TemplateDangerous.at(document.path, reasons) from None
    try:
        TemplateFile.model_validate(data)
    except ValidationError as error:
        raise TemplateInvalid.at(document.path, _problems(error, document)) from None
    return data


def check_stem(document: Document, data: dict[str, Any]) -> None:
    """A template's name is its file's.

    Raises:
        TemplateInvalid: it is not.
    """
    stem = stem_of(PurePath(document.path).name)
    if data["name"] != stem:
        what = Texts(f"the file's name says `{stem}`.", f"le nom du fichier dit `{stem}`.")
        fix = Texts("Make `name` and the file's name equal.", "Rendez `name` égal au nom du fichier.")
        raise TemplateInvalid.at(document.path, [Problem("/name", what, fix, document.line_of("/name"))])


def stem_of(file_name: str) -> str | None:
    """The template's name that a file's name stands for; ``None`` when it is no template's file."""
    return next((file_name.removesuffix(suffix) for suffix in SUFFIXES if file_name.endswith(suffix)), None)


def _problems(error: ValidationError, document: Document) -> list[Problem]:
    found: dict[tuple[str, str], Problem] = {}
    for detail in error.errors(include_url=False, include_input=False):
        path = _path(detail["loc"], document.data)
        pointer = pointer_of(path)
        what, fix = _words(detail, path)
        found.setdefault((pointer, what.en), Problem(pointer, what, fix, document.line_of(pointer)))
    return sorted(found.values(), key=lambda problem: problem.line or 0)


def _path(location: tuple[int | str, ...], data: Any) -> list[int | str]:
    """A location of Pydantic without the names of the branches that led to it."""
    path: list[int | str] = []
    for part in location:
        if part in TAGS and not (isinstance(data, dict) and part in data):
            continue
        path.append(part)
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
    return path


def _words(detail: ErrorDetails, path: list[int | str]) -> tuple[Texts, Texts]:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "template":
        return context["what"], context["fix"]
    if kind == "unknown_key":
        return _unknown(path)
    if kind in _TYPES:
        return _TYPES[kind]
    if kind in _LIMITS:
        shown = {name: str(value) for name, value in context.items()}
        text = _LIMITS[kind]
        return Texts(text.en.format(**shown), text.fr.format(**shown)), _FORM
    if kind == "string_pattern_mismatch":
        fallback = Texts("this name is not in the form it must have.", "ce nom n'a pas la forme requise.")
        return _PATTERNS.get(context["pattern"], (fallback, _FORM))
    return Texts(f"{detail['msg']}.", f"{detail['msg']}."), _FORM


def _unknown(path: list[int | str]) -> tuple[Texts, Texts]:
    known = [field.alias or name for name, field in _owner(path).model_fields.items()]
    close = difflib.get_close_matches(str(path[-1])[:100], known, 1, 0.6)
    what = Texts("this key is unknown.", "cette clé est inconnue.")
    if close:
        return what, Texts(f"Did you mean `{close[0]}`?", f"Vouliez-vous dire `{close[0]}` ?")
    return what, Texts("Remove it, or start it with `x-`.", "Retirez-la, ou faites-la commencer par `x-`.")


def _owner(path: list[int | str]) -> type[BaseModel]:
    """The model of the object in which the last part of ``path`` stands."""
    if len(path) == 1:
        return TemplateFile
    if "description" in path[1:-1]:
        return Bilingual
    return _PARTS.get(str(path[0]), TemplateFile)
