"""What a project gets: ``nextgen init`` and ``nextgen templates new``."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from nextgeneration.kernel.language import Lang
from nextgeneration.services.errors import WorkspaceMissing
from nextgeneration.services.errors_project import ProjectLinked
from nextgeneration.services.parts import library
from nextgeneration.templates.scaffold import SCHEMA_PATH, scaffold, write_scaffold
from nextgeneration.templates.schema import json_schema

FOLDER = Path(".nextgen")
TEMPLATES = FOLDER / "templates"
SCHEMA = FOLDER / "schemas" / "agent-template-1.json"
README = FOLDER / "README.md"

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

    Raises:
        WorkspaceMissing: the folder is a file.
        ProjectLinked: a part of ``.nextgen`` is a link: what is written there would go elsewhere.
    """
    if folder.exists() and not folder.is_dir():
        raise WorkspaceMissing(path=str(folder))
    for part in (FOLDER, TEMPLATES, SCHEMA.parent, SCHEMA, README):
        if (folder / part).is_symlink():
            raise ProjectLinked(path=str(folder / part))
    written: list[Path] = []
    there: list[Path] = []
    templates, schema, readme = folder / TEMPLATES, folder / SCHEMA, folder / README
    (there if templates.is_dir() else written).append(templates)
    templates.mkdir(parents=True, exist_ok=True)
    schema.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(json_schema(lang), ensure_ascii=False, indent=2) + "\n"
    same = schema.is_file() and schema.read_text(encoding="utf-8", errors="replace") == text
    if not same:
        _replace(schema, text)
    (there if same else written).append(schema)
    (there if readme.exists() else written).append(readme)
    if not readme.exists():
        _replace(readme, _README[lang])
    return written, there


def _replace(path: Path, text: str) -> None:
    """Put a text in its place in one step."""
    number, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
        Path(part).chmod(0o644)
        Path(part).replace(path)
    except OSError:
        with suppress(OSError):
            Path(part).unlink()
        raise


def new_template(workspace: Path, name: str, parent: str, lang: Lang) -> Path:
    """Write a commented template into the workspace's folder, with the schema beside it.

    Raises:
        TemplateUnknown, TemplateInvalid: the parent cannot be used.
        NameTaken: there is such a template already; nothing is written.
        ProjectLinked: ``.nextgen`` leads elsewhere.
    """
    with library(workspace) as templates:
        base = templates.get(parent) if parent else None
    # Editors resolve `$schema` from the file's own folder.
    text = scaffold(name, parent=base.name if base else None, lang=lang).replace(
        SCHEMA_PATH, f"../schemas/{SCHEMA.name}"
    )
    prepare(workspace, lang)
    return write_scaffold(workspace / TEMPLATES, name, text)
