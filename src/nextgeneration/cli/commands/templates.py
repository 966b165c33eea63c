"""``nextgen templates …``: list, show, diff, lint, new, schema, trust, untrust."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextgeneration.cli.completion import templates as template_names
from nextgeneration.cli.options import Debug, Json, Workspace, plainly, text
from nextgeneration.cli.pages import Command, Group
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Counted, Texts
from nextgeneration.kernel.show import escaped, shortened

if TYPE_CHECKING:
    from nextgeneration.templates.entries import TemplateSummary
    from nextgeneration.templates.library import TemplateLibrary

app = typer.Typer(
    cls=Group,
    help=text(
        "Templates: list, show, diff, lint, new, schema, trust.",
        "Modèles : lister, montrer, comparer, vérifier, créer, schéma, approuver.",
    ),
    no_args_is_help=True,
)

TEMPLATE = text("TEMPLATE", "MODÈLE")
Name = Annotated[
    str,
    typer.Argument(
        metavar=TEMPLATE, help=text("Name of a template.", "Nom d'un modèle."), autocompletion=template_names
    ),
]
_BROKEN = Texts(
    "{name} is BROKEN, its last good revision stays live: {why}",
    "{name} est CASSÉ, sa dernière bonne révision reste active : {why}",
)
_BROKEN_NEW = Texts("{name} is BROKEN: {why}", "{name} est CASSÉ : {why}")
_UNTRUSTED = Texts(
    "{name} is not trusted: its allow rules do not count ({rules}); nextgen templates trust {name}",
    "{name} n'est pas approuvé : ses règles allow ne comptent pas ({rules}) ; nextgen templates trust {name}",
)
MOST_MISNAMED = 5
_MISNAMED = Texts(
    "Left out for their names ({n}), since a template's is made of a-z, 0-9, _ and -, a letter first: {paths}{more}",
    "Laissés de côté pour leur nom ({n}), celui d'un modèle étant fait de a-z, 0-9, _ et -, une lettre d'abord : "
    "{paths}{more}",
)
_SHADOWS = Texts("{name} hides {paths}", "{name} masque {paths}")
_BUILT_IN = Texts("built-in", "intégré")
_HEADS = (
    Texts("TEMPLATE", "MODÈLE"),
    Texts("VERSION", "VERSION"),
    Texts("ROUTE", "ROUTE"),
    Texts("FROM", "DEPUIS"),
    Texts("WHAT IT IS FOR", "À QUOI IL SERT"),
)
_TEMPLATES = Counted(Texts("template", "modèle"), Texts("templates", "modèles"))
_CLEAN = Texts("{templates}, nothing to say.", "{templates}, rien à signaler.")
_MADE = Texts("Written: {path}", "Écrit : {path}")
_MADE_NEXT = Texts(
    'Edit it, then: nextgen templates lint {name}   nextgen run "…" --agent {name}',
    'Modifiez-le, puis : nextgen templates lint {name}   nextgen run "…" --agent {name}',
)
_WOULD_ALLOW = Texts("{name} ({path}) would allow, without asking:", "{name} ({path}) permettrait, sans demander :")
_BUILT_ON = Texts("It is built on {names}, as they stand now.", "Il est construit sur {names}, dans leur état actuel.")
_LOOK = Texts("All of it: nextgen templates show {name}", "Le tout : nextgen templates show {name}")
_TRUST_IT = Texts("Trust {name} as it stands ({digest})?", "Approuver {name} tel qu'il est ({digest}) ?")
_IS_TRUSTED = Texts(
    "{name} is trusted until it, or what it is built on, changes: {digest}",
    "{name} est approuvé jusqu'à ce qu'il change, ou ce sur quoi il est construit : {digest}",
)
_NONE_TRUSTED = Texts("No template of a workspace is trusted.", "Aucun modèle d'un espace de travail n'est approuvé.")
_NO_LONGER = Texts("No longer trusted: {path}", "N'est plus approuvé : {path}")
_WAS_NOT = Texts("It was not trusted: {path}", "Il n'était pas approuvé : {path}")


@app.command(
    "list",
    cls=Command,
    help=text(
        "List the templates, where each comes from, and what is broken.",
        "Lister les modèles, leur provenance, et ce qui est cassé.",
    ),
)
def list_(workspace: Workspace = Path(), json: Json = False, debug: Debug = False) -> None:
    """List the templates, where each comes from, and what is broken."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.parts import library

        with library(workspace) as templates:
            summaries, misnamed = templates.summaries(), templates.misnamed()
        if json:
            voice.document([_facts(summary, voice) for summary in summaries])
            return 0
        voice.table(_HEADS, [_row(summary, voice) for summary in summaries], spare=(1, 2, 3))
        for summary in summaries:
            if summary.shadows:
                voice.say(_SHADOWS, name=summary.name, paths=", ".join(map(str, summary.shadows)))
            if summary.untrusted:
                voice.note(_untrusted(summary.name, summary.untrusted, voice))
            if summary.broken:
                said = (_BROKEN if summary.digest else _BROKEN_NEW).say(
                    voice.lang, name=summary.name, why=escaped(summary.broken.message(voice.lang))
                )
                voice.note(voice.paint(said, "bad", voice.err))
        if misnamed:
            voice.note(_misnamed(misnamed, voice))
        return 0

    plainly(voice, command)


def _misnamed(files: list[Path], voice: Voice) -> str:
    shown = escaped(", ".join(_near(str(path)) for path in files[:MOST_MISNAMED]), newlines=False)
    more = "…" if len(files) > MOST_MISNAMED else ""
    return voice.paint(_MISNAMED.say(voice.lang, n=len(files), paths=shown, more=more), "medium", voice.err)


def _untrusted(name: str, rules: tuple[str, ...], voice: Voice) -> str:
    shown = escaped(", ".join(rules), newlines=False)
    return voice.paint(_UNTRUSTED.say(voice.lang, name=name, rules=shown), "medium", voice.err)


def _row(summary: TemplateSummary, voice: Voice) -> list[tuple[str, str]]:
    built_in = summary.source.startswith("builtin")
    source = _BUILT_IN.say(voice.lang) if built_in else _near(summary.source)
    name = (summary.name, "bad" if summary.broken else "bold")
    about = (summary.description.say(voice.lang), "place")
    return [name, (summary.version, "dim"), (summary.route.route, "dim"), (source, "dim"), about]


def _near(source: str) -> str:
    """A path as one would write it here."""
    path, here = Path(source), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else source


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
        "untrusted": list(summary.untrusted),
    }


@app.command(
    cls=Command, help=text("Show a template as its agents see it.", "Montrer un modèle tel que ses agents le voient.")
)
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
        from nextgeneration.templates.trust import set_aside

        with library(workspace) as templates:
            revision = templates.get(name)
        untrusted = set_aside(revision)
        if json:
            facts: dict[str, Any] = {"digest": revision.digest, "source": revision.source, "template": revision.data}
            facts["untrusted"] = list(untrusted)
            voice.document(facts | ({"origins": dict(revision.origins)} if resolved else {}))
            return 0
        voice.data(f"{voice.paint(revision.name, 'bold')} {revision.version}  {revision.digest}")
        voice.data(f"{revision.source}" + (f"  <- {' <- '.join(revision.parents)}" if revision.parents else ""))
        if untrusted:
            voice.note(_untrusted(revision.name, untrusted, voice))
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


@app.command(
    cls=Command,
    help=text(
        "Compare two templates field by field, inheritance resolved.",
        "Comparer deux modèles champ par champ, héritage résolu.",
    ),
)
def diff(
    left: Annotated[
        str, typer.Argument(metavar="A", help=text("A template.", "Un modèle."), autocompletion=template_names)
    ],
    right: Annotated[
        str, typer.Argument(metavar="B", help=text("Another one.", "Un autre."), autocompletion=template_names)
    ],
    workspace: Workspace = Path(),
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare two templates field by field, inheritance resolved."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.parts import library
        from nextgeneration.templates.diff import diff as compare

        with library(workspace) as templates:
            found = compare(templates.get(left), templates.get(right))
        if json:
            voice.document(found.as_dict())
        else:
            voice.data("\n".join(found.lines(voice.lang)))
        return 0

    plainly(voice, command)


@app.command(
    cls=Command,
    help=text("Check templates and say what could be better.", "Vérifier des modèles et dire ce qui serait mieux."),
)
def lint(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar=TEMPLATE,
            help=text("Templates; without: all.", "Modèles ; sans : tous."),
            autocompletion=template_names,
            show_default=False,
        ),
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
            found = check(templates, names or None, known_tools=toolbox().names(), strict=strict)
            count = len(names or templates.names())
        if json:
            voice.document([remark.as_dict(voice.lang) for remark in found])
        elif not found:
            voice.say(_CLEAN, templates=_TEMPLATES.of(count))
        for remark in found if not json else ():
            voice.data(remark.say(voice.lang))
        return 1 if any(remark.level == "error" for remark in found) else 0

    plainly(voice, command)


@app.command(
    cls=Command,
    help=text(
        "Write a new template with comments, ready to edit.", "Écrire un nouveau modèle commenté, prêt à modifier."
    ),
)
def new(
    name: Name,
    parent: Annotated[
        str,
        typer.Option(
            metavar=TEMPLATE,
            help=text("The template to build on.", "Le modèle de départ."),
            autocompletion=template_names,
        ),
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


@app.command(cls=Command, help=text("Print the JSON Schema of templates.", "Afficher le schéma JSON des modèles."))
def schema(json: Json = False, debug: Debug = False) -> None:
    """Print the JSON Schema of templates; it is JSON with and without ``--json``."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.templates.schema import json_schema

        voice.document(json_schema(voice.lang))
        return 0

    plainly(voice, command)


@app.command(
    cls=Command,
    help=text(
        "Let the allow rules of a workspace's template count, as it stands now.",
        "Faire compter les règles allow d'un modèle de l'espace de travail, tel qu'il est.",
    ),
)
def trust(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar=TEMPLATE,
            help=text("A template of the workspace.", "Un modèle de l'espace de travail."),
            autocompletion=template_names,
            show_default=False,
        ),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help=text("List what is trusted.", "Lister ce qui est approuvé."))
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help=text("Do not ask.", "Ne pas demander."))] = False,
    workspace: Workspace = Path(),
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Let the allow rules of a workspace's template count, as it stands now."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.cli.confirm import confirmed
        from nextgeneration.services.parts import library
        from nextgeneration.templates.trust import entire, set_aside

        with library(workspace) as templates:
            if name is None or list_:
                _list_trusted(templates, voice)
                return 0
            revision = templates.get(name)
        rules = set_aside(revision)
        if rules and not yes:
            shown = [escaped(rule, newlines=False) for rule in rules]
            voice.say(_WOULD_ALLOW, name=revision.name, path=revision.source)
            voice.note("\n".join(f"  {rule}" for rule in shown))
            if revision.parents:
                voice.say(_BUILT_ON, names=", ".join(revision.parents))
            voice.say(_LOOK, name=revision.name)
        if rules and not confirmed(voice, _TRUST_IT, yes=yes, name=revision.name, digest=entire(revision).digest[:12]):
            return 1
        made = templates.trust.add(revision)
        if json:
            voice.document({"path": made.path, "digest": made.digest, "allows": list(rules)})
        else:
            voice.data(_IS_TRUSTED.say(voice.lang, name=revision.name, digest=made.digest))
        return 0

    plainly(voice, command)


def _list_trusted(templates: TemplateLibrary, voice: Voice) -> None:
    trusted = list(templates.trust)
    if voice.json:
        voice.document([{"path": each.path, "digest": each.digest} for each in trusted])
    elif not trusted:
        voice.say(_NONE_TRUSTED)
    for each in trusted if not voice.json else ():
        voice.data(f"{each.digest[:12]}  {escaped(each.path, newlines=False)}")


@app.command(
    cls=Command,
    help=text(
        "Let the allow rules of a workspace's template count no longer.",
        "Ne plus faire compter les règles allow d'un modèle de l'espace de travail.",
    ),
)
def untrust(name: Name, workspace: Workspace = Path(), json: Json = False, debug: Debug = False) -> None:
    """Let the allow rules of a workspace's template count no longer."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.parts import library

        with library(workspace) as templates:
            path = str(templates.path(name))
            removed = templates.trust.remove(path)
        if json:
            voice.document({"path": path, "removed": removed})
        else:
            voice.data((_NO_LONGER if removed else _WAS_NOT).say(voice.lang, path=escaped(path, newlines=False)))
        return 0

    plainly(voice, command)
