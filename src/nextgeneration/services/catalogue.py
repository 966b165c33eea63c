"""The catalogue of errors: every code with what it means and how to mend it."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from typing import Any

import nextgeneration
from nextgeneration.kernel.errors import CATALOGUE, NGError
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.services.errors import CodeUnknown


def all_errors() -> dict[str, type[NGError]]:
    """Every error class by its code; loads the rooms' error modules, which load nothing heavy."""
    for module in pkgutil.walk_packages(nextgeneration.__path__, "nextgeneration."):
        name = module.name.rpartition(".")[2]
        if name == "errors" or name.startswith("errors_"):
            importlib.import_module(module.name)
    return dict(sorted(CATALOGUE.items()))


def explained(code: str, lang: Lang) -> dict[str, Any]:
    """What an error code means.

    Raises:
        CodeUnknown: with the nearest codes.
    """
    known = all_errors()
    found = known.get(code.strip().upper())
    if found is None:
        near = difflib.get_close_matches(code.upper(), known, n=3)
        raise CodeUnknown(given=code, near=f" ({', '.join(near)}?)" if near else "")
    return {
        "code": found.code,
        "title": " ".join((found.__doc__ or found.__name__).split("\n\n")[0].split()),
        "what": _generic(found.what, lang),
        "mend": _generic(found.mend, lang),
        "retryable": found.retryable,
        "exit_code": found.exit_code,
    }


def _generic(texts: Texts, lang: Lang) -> str:
    """The text with its fields as ``<name>``."""
    raw = texts.fr if lang == "fr" else texts.en
    return re.sub(r"\{(\w+)[^}]*\}", r"<\1>", raw).replace("{{", "{").replace("}}", "}")
