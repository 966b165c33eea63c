"""``nextgen init``: what a project gets."""

from __future__ import annotations

import json
from pathlib import Path

from nextgeneration.kernel.language import Lang
from nextgeneration.services.parts import library
from nextgeneration.templates.scaffold import SCHEMA_PATH, scaffold, write_scaffold
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


def new_template(workspace: Path, name: str, parent: str, lang: Lang) -> Path:
    """Write a commented template into the workspace's folder, with the schema beside it.

    Raises:
        TemplateUnknown, TemplateInvalid: the parent cannot be used.
        NameTaken: there is such a template already; nothing is written.
    """
    with library(workspace) as templates:
        base = templates.get(parent) if parent else None
    prepare(workspace, lang)
    # Editors resolve `$schema` from the file's own folder.
    text = scaffold(name, parent=base.name if base else None, lang=lang).replace(
        SCHEMA_PATH, f"../schemas/{SCHEMA.name}"
    )
    return write_scaffold(workspace / ".nextgen" / "templates", name, text)
