"""``nextgen agents …``: list, create, show, run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nextgeneration.cli.options import Debug, Json, Workspace, enter, text
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts

app = typer.Typer(help=text("Agents: list, create, show, remove.", "Agents : lister, créer, montrer, supprimer."))

Name = Annotated[str, typer.Argument(help=text("The agent's name or id.", "Nom ou identifiant de l'agent."))]
_NONE = Texts("No agents yet: nextgen agents create TEMPLATE", "Pas encore d'agent : nextgen agents create MODÈLE")
_CREATED = Texts("Agent {name} created from {template}@{digest}.", "Agent {name} créé depuis {template}@{digest}.")
_REMOVED = Texts("Agent {name} removed.", "Agent {name} supprimé.")
_NOT_JSON = Texts("--config must be a JSON object.", "--config doit être un objet JSON.")


@app.command("list")
def list_(json: Json = False, debug: Debug = False) -> None:
    """List the recorded agents."""
    voice = Voice(json=json, debug=debug)

    async def command() -> int:
        from nextgeneration.services.assembly import open_services

        async with open_services(Path()) as services:
            records = await services.agents.all()
        if json:
            voice.document([record.as_dict() for record in records])
        elif not records:
            voice.say(_NONE)
        for record in records if not json else ():
            digest = record.revision.removeprefix("sha256:")[:12]
            figures = record.performance
            done, rate = int(figures["tasks_completed"]), figures["success_rate"]
            voice.data(f"{record.name:<32} {record.template}@{digest}  {done:>4}  {rate:>5.0%}")
        return 0

    enter(voice, command)


@app.command()
def create(
    template: Annotated[str, typer.Argument(help=text("The template to build from.", "Le modèle de départ."))],
    suffix: Annotated[
        str | None, typer.Option(help=text("Tells agents of one template apart.", "Distingue les agents d'un modèle."))
    ] = None,
    config: Annotated[
        str, typer.Option(help=text("Configuration as a JSON object.", "Configuration, objet JSON."))
    ] = "{}",
    workspace: Workspace = Path(),
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Create an agent from a template and record it."""
    voice = Voice(json=json, debug=debug)
    given = _config(config, voice)

    async def command() -> int:
        from nextgeneration.services.assembly import open_services

        async with open_services(workspace) as services:
            agent = await services.templates.create_agent_async(template, suffix, given or None)
            record = await services.agents.add(agent)
        if json:
            voice.document(record.as_dict())
        else:
            digest = record.revision.removeprefix("sha256:")[:12]
            voice.data(_CREATED.say(voice.lang, name=record.name, template=record.template, digest=digest))
        return 0

    enter(voice, command)


def _config(config: str, voice: Voice) -> dict[str, Any]:
    import json as json_

    try:
        value = json_.loads(config)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise typer.BadParameter(_NOT_JSON.say(voice.lang))
    return value


@app.command()
def show(name: Name, json: Json = False, debug: Debug = False) -> None:
    """Show an agent: its revision, configuration and figures."""
    voice = Voice(json=json, debug=debug)

    async def command() -> int:
        import json as json_

        from nextgeneration.services.assembly import open_services

        async with open_services(Path()) as services:
            record = await services.agents.get(name)
            revision = await services.agents.revision(record.name)
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
        for key, value in facts.items():
            shown = value if isinstance(value, str) else json_.dumps(value, ensure_ascii=False)
            voice.data(f"{key:<14} {shown}")
        return 0

    enter(voice, command)


@app.command()
def remove(name: Name, json: Json = False, debug: Debug = False) -> None:
    """Forget an agent; missions it worked in keep their records."""
    voice = Voice(json=json, debug=debug)

    async def command() -> int:
        from nextgeneration.services.assembly import open_services

        async with open_services(Path()) as services:
            await services.agents.remove(name)
        if json:
            voice.document({"removed": name})
        else:
            voice.data(_REMOVED.say(voice.lang, name=name))
        return 0

    enter(voice, command)
