"""``nextgen init``: what a project gets."""

from __future__ import annotations

import json
from pathlib import Path

from nextgeneration.kernel.language import Lang
from nextgeneration.templates.schema import json_schema

SCHEMA = Path(".nextgen/schemas/agent-template-1.json")

_README = {
    "en": """# Templates of this project

Each `.json` file in `templates/` is an agent. `nextgen templates new NAME` writes one with comments,
`nextgen templates lint` checks them all, and a running mission picks up changes within a second.
""",
    "fr": """# Modèles de ce projet

Chaque fichier `.json` de `templates/` est un agent. `nextgen templates new NOM` en écrit un avec des
commentaires, `nextgen templates lint` les vérifie tous, et une mission en cours voit les changements en une seconde.
""",
}


def prepare(folder: Path, lang: Lang) -> tuple[list[Path], list[Path]]:
    """Write ``.nextgen/``: the template schema for completion, a folder for templates, a short text.

    The schema is always renewed, since it belongs to the program; nothing else is overwritten.

    Returns:
        The paths written, and those that were there already.
    """
    written, there = [], []
    templates = folder / ".nextgen" / "templates"
    (there if templates.is_dir() else written).append(templates)
    templates.mkdir(parents=True, exist_ok=True)
    schema = folder / SCHEMA
    schema.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(json_schema(lang), ensure_ascii=False, indent=2) + "\n"
    same = schema.is_file() and schema.read_text(encoding="utf-8", errors="replace") == text
    if not same:
        schema.write_text(text, encoding="utf-8")
    (there if same else written).append(schema)
    readme = folder / ".nextgen" / "README.md"
    if readme.exists():
        there.append(readme)
    else:
        readme.write_text(_README[lang], encoding="utf-8")
        written.append(readme)
    return written, there
