"""A new template to start from: valid as it is, with a comment on everything one may want to change."""

from __future__ import annotations

import json
from pathlib import Path

from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.templates.errors import NameTaken, TemplateNameRefused
from nextgeneration.templates.folders import is_name
from nextgeneration.templates.reader import SUFFIXES

SCHEMA_PATH = "./.nextgen/schemas/agent-template-1.json"

_TEMPLATE = Texts(
    en="""\
{{
  "$schema": {schema},

  // The file must be called {name}.json. Comments like this one are allowed.
  "name": {quoted},
  "role": {role},
  "domain": {domain},
  // Three numbers (SemVer); raise it when you change the template.
  "version": "1.0.0",
{parent}
  // Shown in lists, and read by the supervisor when it looks for an agent.
  "description": {{
    "en": {en},
    "fr": {fr}
  }},

  // What it can do, in your own words; missions are matched to these. An object says more:
  // {{"id": "find_leaks", "description": {{"en": "find leaks", "fr": "trouver les fuites"}}}}
  "capabilities": [{capability}],

  // Where the supervisor files it, and the words by which it finds it, in any language.
  "supervisor_route": {{
    "route": {route},
    "keywords": [{keywords}],
    "examples": [],
    "priority": 0
  }},

  // What it may call: see `nextgen tools list`. United with the parent's.
  "tools": ["fs.list", "fs.read", "docs.summary"],

  // What it does when no model answers. A value is literal unless it is exactly {{"$": "<JMESPath>"}}
  // over input, config, context, steps and item. Also: "when", "each", "on_error": "stop" or "continue".
  "playbook": [
    {{"id": "listing", "tool": "fs.list", "with": {{"path": "."}}, "on_error": "continue"}},
    {{"id": "summary", "tool": "docs.summary", "with": {{"length": {{"$": "config.length"}}}}, "on_error": "continue"}}
  ],

  // Rules `tool` or `tool(pattern)`: deny beats ask beats allow. A child can only tighten its parents' rules.
  "permissions": {{"allow": [], "ask": [], "deny": []}},

  // Limits of one task. Of a template and its parents the smallest counts.
  "budget": {{"tool_calls": 100, "seconds": 300}},

  // Its configuration; merged into the parent's, changed for one agent by `--config`.
  "default_config": {{"length": 250}}
}}
""",
    fr="""\
{{
  "$schema": {schema},

  // Le fichier doit s'appeler {name}.json. Les commentaires comme celui-ci sont permis.
  "name": {quoted},
  "role": {role},
  "domain": {domain},
  // Trois nombres (SemVer) ; augmentez-la quand vous changez le modèle.
  "version": "1.0.0",
{parent}
  // Montrée dans les listes, et lue par le superviseur quand il cherche un agent.
  "description": {{
    "en": {en},
    "fr": {fr}
  }},

  // Ce qu'il sait faire, avec vos mots ; les missions y sont comparées. Un objet en dit plus :
  // {{"id": "find_leaks", "description": {{"en": "find leaks", "fr": "trouver les fuites"}}}}
  "capabilities": [{capability}],

  // Où le superviseur le range, et les mots par lesquels il le trouve, en toute langue.
  "supervisor_route": {{
    "route": {route},
    "keywords": [{keywords}],
    "examples": [],
    "priority": 0
  }},

  // Ce qu'il peut appeler : voir `nextgen tools list`. Uni à ceux du parent.
  "tools": ["fs.list", "fs.read", "docs.summary"],

  // Ce qu'il fait quand aucun modèle ne répond. Une valeur est littérale sauf si c'est exactement
  // {{"$": "<JMESPath>"}} sur input, config, context, steps et item. Aussi : "when", "each",
  // "on_error" : "stop" ou "continue".
  "playbook": [
    {{"id": "listing", "tool": "fs.list", "with": {{"path": "."}}, "on_error": "continue"}},
    {{"id": "summary", "tool": "docs.summary", "with": {{"length": {{"$": "config.length"}}}}, "on_error": "continue"}}
  ],

  // Règles `outil` ou `outil(motif)` : deny l'emporte sur ask, ask sur allow. Un enfant ne peut que durcir.
  "permissions": {{"allow": [], "ask": [], "deny": []}},

  // Limites d'une tâche. Entre un modèle et ses parents, la plus petite compte.
  "budget": {{"tool_calls": 100, "seconds": 300}},

  // Sa configuration ; fusionnée à celle du parent, changée pour un agent par `--config`.
  "default_config": {{"length": 250}}
}}
""",
)
_PARENT = Texts(
    "  // It builds on this one; `name@^1.0` asks for a range of versions.\n",
    "  // Il hérite de celui-ci ; `nom@^1.0` demande un intervalle de versions.\n",
)


def scaffold(
    name: str,
    *,
    role: str = "specialist",
    domain: str = "general",
    parent: str | None = None,
    description: str = "",
    lang: Lang = "en",
) -> str:
    """The text of a new template's file (JSON with comments), valid as it stands.

    Raises:
        TemplateNameRefused: no template may be called ``name``.
    """
    if not is_name(name):
        raise TemplateNameRefused(name=name[:80])
    words = name.replace("_", " ").replace("-", " ")
    quoted = {
        "schema": SCHEMA_PATH,
        "quoted": name,
        "role": role,
        "domain": domain,
        "en": description or f"What {words} is for.",
        "fr": description or f"À quoi sert {words}.",
        "capability": name.replace("-", "_"),
        "route": domain,
        "keywords": words,
    }
    inherits = f'{_PARENT.say(lang)}  "parent": {json.dumps(parent)},\n' if parent else ""
    values = {key: json.dumps(value, ensure_ascii=False) for key, value in quoted.items()}
    return _TEMPLATE.say(lang, name=name, parent=inherits, **values)


def write_scaffold(folder: Path, name: str, text: str) -> Path:
    """Put a scaffold into ``folder``, which is made if need be; never over a file that is there.

    Raises:
        NameTaken: the folder has a template of this name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any((folder / f"{name}{suffix}").exists() for suffix in SUFFIXES):
        raise NameTaken(name=name, path=str(folder))
    path = folder / f"{name}.json"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise NameTaken(name=name, path=str(folder)) from None
    return path
