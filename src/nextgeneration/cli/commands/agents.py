"""``nextgen agents …``: list, create, show, remove."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextgeneration.cli.completion import agents as agent_names
from nextgeneration.cli.completion import templates as template_names
from nextgeneration.cli.errors import UsageWrong
from nextgeneration.cli.options import Debug, Json, NoRecover, Workspace, enter, text
from nextgeneration.cli.pages import Command, Group
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Lang, Texts

if TYPE_CHECKING:
    from nextgeneration.agents.records import AgentRecord
    from nextgeneration.services.records import Records
    from nextgeneration.templates.revision import Capability

app = typer.Typer(
    cls=Group,
    help=text("Agents: list, create, show, remove.", "Agents : lister, créer, montrer, supprimer."),
    no_args_is_help=True,
)

Name = Annotated[
    str,
    typer.Argument(
        metavar="AGENT",
        help=text("The agent's name or id.", "Nom ou identifiant de l'agent."),
        autocompletion=agent_names,
    ),
]
_NONE = Texts("No agents yet: nextgen agents create TEMPLATE", "Pas encore d'agent : nextgen agents create MODÈLE")
_CREATED = Texts("Agent {name} created from {template}@{digest}.", "Agent {name} créé depuis {template}@{digest}.")
_NEXT = Texts('Send it out: nextgen run "…" --agent {name}', 'Envoyez-le : nextgen run "…" --agent {name}')
_REMOVED = Texts("Agent {name} removed.", "Agent {name} supprimé.")
_NOT_JSON = Texts("--config must be a JSON object: {detail}", "--config doit être un objet JSON : {detail}")
_HEADS = (
    Texts("AGENT", "AGENT"),
    Texts("TEMPLATE", "MODÈLE"),
    Texts("DONE", "FAITES"),
    Texts("SUCCESS", "SUCCÈS"),
    Texts("CREATED (UTC)", "CRÉÉ (UTC)"),
)


@app.command("list", cls=Command, help=text("List the recorded agents.", "Lister les agents enregistrés."))
def list_(json: Json = False, no_recover: NoRecover = False, debug: Debug = False) -> None:
    """List the recorded agents."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        found = await records.agents.all()
        if json:
            voice.document([record.as_dict() for record in found])
        elif not found:
            voice.say(_NONE)
        else:
            voice.table(_HEADS, [_row(record) for record in found])
        return 0

    _recorded(voice, command, no_recover)


def _row(record: AgentRecord) -> list[tuple[str, str]]:
    figures = record.performance
    tried = record.tasks_completed + record.tasks_failed
    return [
        (record.name, "bold"),
        (f"{record.template}@{_short(record.revision)}", "dim"),
        (str(record.tasks_completed), "good"),
        (f"{figures['success_rate']:.0%}" if tried else "–", "good"),
        (record.created_at[:16].replace("T", " "), "dim"),
    ]


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


@app.command(
    cls=Command,
    help=text("Create an agent from a template and record it.", "Créer un agent depuis un modèle et l'enregistrer."),
)
def create(
    template: Annotated[
        str,
        typer.Argument(
            metavar=text("TEMPLATE", "MODÈLE"),
            help=text("The template to build from.", "Le modèle de départ."),
            autocompletion=template_names,
        ),
    ],
    suffix: Annotated[
        str | None, typer.Option(help=text("Tells agents of one template apart.", "Distingue les agents d'un modèle."))
    ] = None,
    config: Annotated[
        str, typer.Option(metavar="JSON", help=text("Configuration, a JSON object.", "Configuration, un objet JSON."))
    ] = "{}",
    workspace: Workspace = Path(),
    json: Json = False,
    no_recover: NoRecover = False,
    debug: Debug = False,
) -> None:
    """Create an agent from a template and record it."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        from nextgeneration.services.parts import own_templates

        given = _config(config, voice)
        with own_templates(workspace) as templates:
            agent = await templates.create_agent_async(template, suffix, given or None)
            record = await records.agents.add(agent)
        if json:
            voice.document(record.as_dict())
        else:
            digest = _short(record.revision)
            voice.data(_CREATED.say(voice.lang, name=record.name, template=record.template, digest=digest))
            voice.say(_NEXT, name=record.name)
        return 0

    _recorded(voice, command, no_recover)


def _config(config: str, voice: Voice) -> dict[str, Any]:
    import json

    try:
        value = json.loads(config)
    except (ValueError, RecursionError) as error:
        detail = _NOT_JSON.say(voice.lang, detail=str(error))
        raise UsageWrong(detail=detail, command="nextgen agents create") from None
    if not isinstance(value, dict):
        detail = _NOT_JSON.say(voice.lang, detail=type(value).__name__)
        raise UsageWrong(detail=detail, command="nextgen agents create")
    return value


@app.command(
    cls=Command,
    help=text(
        "Show an agent: its revision, configuration and figures.",
        "Montrer un agent : sa révision, sa configuration et ses chiffres.",
    ),
)
def show(name: Name, json: Json = False, no_recover: NoRecover = False, debug: Debug = False) -> None:
    """Show an agent: its revision, configuration and figures."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        from nextgeneration.kernel.show import escaped

        record = await records.agents.get(name)
        revision = await records.agents.revision(record.name)
        facts = record.as_dict() | {
            "role": revision.role,
            "domain": revision.domain,
            "capabilities": [capability.id for capability in revision.capabilities],
            "tools": list(revision.tools),
            "description": revision.description.say(voice.lang),
        }
        if json:
            voice.document(facts)
            return 0
        facts["capabilities"] = [_able(capability, voice.lang) for capability in revision.capabilities]
        for key, value in facts.items():
            for line, part in enumerate(value if key == "capabilities" and value else [value]):
                head = "" if line else key
                voice.data(f"{voice.paint(f'{head:<14}', 'dim')} {escaped(_said(part), newlines=False)}")
        return 0

    _recorded(voice, command, no_recover)


def _able(capability: Capability, lang: Lang) -> str:
    told = capability.description.say(lang)
    return f"{capability.id}: {told}" if told else capability.id


def _said(value: Any) -> str:
    import json

    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@app.command(
    cls=Command,
    help=text(
        "Forget an agent; missions it worked in keep their records.",
        "Oublier un agent ; les missions où il a travaillé gardent leurs traces.",
    ),
)
def remove(name: Name, json: Json = False, no_recover: NoRecover = False, debug: Debug = False) -> None:
    """Forget an agent; missions it worked in keep their records."""
    voice = Voice(json=json, debug=debug)

    async def command(records: Records) -> int:
        record = await records.agents.get(name)
        await records.agents.remove(record.name)
        if json:
            voice.document({"removed": record.name, "id": record.id})
        else:
            voice.data(_REMOVED.say(voice.lang, name=record.name))
        return 0

    _recorded(voice, command, no_recover)


def _recorded(voice: Voice, command: Any, no_recover: bool) -> None:
    from nextgeneration.cli.recorded import on_records

    enter(voice, lambda: on_records(voice, command, recover=not no_recover))
