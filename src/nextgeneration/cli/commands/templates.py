"""``nextgen templates …``: list, show, diff, lint, new, schema."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextgeneration.cli.options import Debug, Json, Workspace, plainly, text
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import escaped, shortened

if TYPE_CHECKING:
    from nextgeneration.templates.entries import TemplateSummary

app = typer.Typer(
    help=text(
        "Templates: list, show, diff, lint, new, schema.", "Modèles : lister, montrer, comparer, vérifier, créer."
    )
)

Name = Annotated[str, typer.Argument(help=text("Name of a template.", "Nom d'un modèle."))]
_BROKEN = Texts(
    "BROKEN, the last good revision stays live: {why}", "CASSÉ, la dernière bonne révision reste active : {why}"
)
_BROKEN_NEW = Texts("BROKEN: {why}", "CASSÉ : {why}")
_SHADOWS = Texts("hides {paths}", "masque {paths}")
_CLEAN = Texts("{count} templates, nothing to say.", "{count} modèles, rien à signaler.")
_SAME = Texts("No difference.", "Aucune différence.")
_MADE = Texts("Written: {path}", "Écrit : {path}")
_MADE_NEXT = Texts(
    'Edit it, then: nextgen templates lint {name}   nextgen run "…" --agent {name}',
    'Modifiez-le, puis : nextgen templates lint {name}   nextgen run "…" --agent {name}',
)


@app.command("list")
def list_(workspace: Workspace = Path(), json: Json = False, debug: Debug = False) -> None:
    """List the templates, where each comes from, and what is broken."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.parts import library

        with library(workspace) as templates:
            summaries = templates.summaries()
        if json:
            voice.document([_facts(summary, voice) for summary in summaries])
            return 0
        for summary in summaries:
            about = escaped(shortened(summary.description.say(voice.lang), 64), newlines=False)
            source = "built-in" if summary.source.startswith("builtin") else summary.source
            voice.data(f"{summary.name:<20} {summary.version:<8} {summary.route.route:<16} {about}  [{source}]")
            if summary.shadows:
                voice.data("  " + _SHADOWS.say(voice.lang, paths=", ".join(map(str, summary.shadows))))
            if summary.broken:
                said = _BROKEN if summary.digest else _BROKEN_NEW
                voice.data(
                    "  " + voice.paint(said.say(voice.lang, why=escaped(summary.broken.message(voice.lang))), "bad")
                )
        return 0

    plainly(voice, command)


def _facts(summary: TemplateSummary, voice: Voice) -> dict[str, Any]:
    return {
        "name": summary.name,
        "role": summary.role,
        "domain": summary.domain,
        "version": summary.version,
        "description": summary.description.say(voice.lang),
        "route": summary.route.route,
        "digest": summary.digest,
        "source": summary.source,
        "shadows": [str(path) for path in summary.shadows],
        "broken": summary.broken.problem(voice.lang) if summary.broken else None,
    }


@app.command()
def show(
    name: Name,
    resolved: Annotated[
        bool,
        typer.Option("--resolved", help=text("With where each field came from.", "Avec l'origine de chaque champ.")),
    ] = False,
    workspace: Workspace = Path(),
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show a template as its agents see it."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.parts import library

        with library(workspace) as templates:
            revision = templates.get(name)
        if json:
            facts: dict[str, Any] = {"digest": revision.digest, "source": revision.source, "template": revision.data}
            voice.document(facts | ({"origins": dict(revision.origins)} if resolved else {}))
            return 0
        voice.data(f"{voice.paint(revision.name, 'bold')} {revision.version}  {revision.digest}")
        voice.data(f"{revision.source}" + (f"  <- {' <- '.join(revision.parents)}" if revision.parents else ""))
        if not resolved:
            voice.data(json_.dumps(revision.data, ensure_ascii=False, indent=2))
            return 0
        for pointer, value in _leaves(revision.data):
            origin = _origin(pointer, revision.origins)
            shown = escaped(shortened(json_.dumps(value, ensure_ascii=False), 90), newlines=False)
            voice.data(f"{pointer:<44} {shown}" + (f"  {voice.paint(f'[{origin}]', 'dim')}" if origin else ""))
        return 0

    plainly(voice, command)


def _leaves(value: Any, pointer: str = "") -> list[tuple[str, Any]]:
    """Every leaf of a JSON value with its pointer; empty objects and lists are leaves."""
    if isinstance(value, dict) and value:
        pairs = [(f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}", part) for key, part in value.items()]
    elif isinstance(value, list) and value:
        pairs = [(f"{pointer}/{n}", part) for n, part in enumerate(value)]
    else:
        return [(pointer, value)]
    return [leaf for path, part in pairs for leaf in _leaves(part, path)]


def _origin(pointer: str, origins: Any) -> str:
    """The nearest recorded origin at or above a pointer."""
    while pointer:
        if pointer in origins:
            return str(origins[pointer])
        pointer = pointer.rpartition("/")[0]
    return ""


@app.command()
def diff(
    left: Annotated[str, typer.Argument(metavar="A", help=text("A template.", "Un modèle."))],
    right: Annotated[str, typer.Argument(metavar="B", help=text("Another one.", "Un autre."))],
    workspace: Workspace = Path(),
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare two templates field by field, inheritance resolved."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.parts import library
        from nextgeneration.templates.diff import differences

        with library(workspace) as templates:
            found = differences(templates.get(left), templates.get(right))
        if json:
            voice.document([difference.as_dict() for difference in found])
        elif not found:
            voice.say(_SAME)
        for difference in found if not json else ():
            voice.data(escaped(difference.line()))
        return 0

    plainly(voice, command)


@app.command()
def lint(
    names: Annotated[
        list[str] | None, typer.Argument(help=text("Templates; without: all.", "Modèles ; sans : tous."))
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help=text("Warnings are errors.", "Les avertissements sont des erreurs."))
    ] = False,
    workspace: Workspace = Path(),
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check templates and say what could be better."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.parts import library, toolbox
        from nextgeneration.templates.lint import lint as check

        with library(workspace) as templates:
            found = check(templates, names or None, tools=toolbox().names(), strict=strict)
            count = len(names or templates.names())
        if json:
            voice.document([notice.as_dict(voice.lang) for notice in found])
        elif not found:
            voice.say(_CLEAN, count=count)
        for notice in found if not json else ():
            voice.data(escaped(notice.line(voice.lang)))
        return 1 if any(notice.is_error for notice in found) else 0

    plainly(voice, command)


@app.command()
def new(
    name: Name,
    parent: Annotated[
        str, typer.Option(help=text("The template to build on.", "Le modèle de départ."))
    ] = "base_specialist",
    workspace: Workspace = Path(),
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a new template with comments, ready to edit."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.project import new_template

        path = new_template(workspace.resolve(), name, parent, voice.lang)
        if json:
            voice.document({"written": str(path)})
            return 0
        voice.data(_MADE.say(voice.lang, path=path))
        voice.say(_MADE_NEXT, name=name)
        return 0

    plainly(voice, command)


@app.command()
def schema(debug: Debug = False) -> None:
    """Print the JSON Schema of templates."""
    voice = Voice(json=True, debug=debug)

    def command() -> int:
        from nextgeneration.templates.schema import json_schema

        voice.document(json_schema(voice.lang))
        return 0

    plainly(voice, command)
