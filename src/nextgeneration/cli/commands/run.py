"""``nextgen run`` and ``nextgen try``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextgeneration.cli.completion import agents_and_templates
from nextgeneration.cli.errors import UsageWrong
from nextgeneration.cli.options import (
    INTERRUPTED,
    Debug,
    FailOn,
    Json,
    Jsonl,
    NoInput,
    NoRecover,
    Out,
    Workspace,
    enter,
    text,
)
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts

if TYPE_CHECKING:
    from nextgeneration.cli.session import Session
    from nextgeneration.missions.schema import Approval, MissionOptions

RUN_HELP = text("Run a mission on a folder.", "Lancer une mission sur un dossier.")
RUN_EXAMPLES = text(
    'nextgen run "check this project"\n'
    'nextgen run "docker-compose is not recognised as a command"\n'
    'nextgen run "check this project" -w ../shop --no-input --fail-on high --json\n'
    "nextgen run --resume",
    'nextgen run "vérifie ce projet"\n'
    'nextgen run "docker-compose n\'est pas reconnu comme commande"\n'
    'nextgen run "vérifie ce projet" -w ../boutique --no-input --fail-on high --json\n'
    "nextgen run --resume",
)
TRY_HELP = text(
    "Run the demo mission on a private copy of the sample project: no account, no key, no server.",
    "Lancer la démonstration sur une copie privée du projet d'exemple : ni compte, ni clé, ni serveur.",
)
TRY_RULE = "rule:try"
"""Who gives the demo's approval when there is no terminal to ask on; it covers writing into the copy only."""

TRY_CREDITS = 100.0
"""What the demo may spend on models unless somebody says otherwise; it uses a tenth of it or so."""

_COPY = Texts("A private copy of the sample project: {path}", "Une copie privée du projet d'exemple : {path}")
_NO_MODEL = Texts(
    "No model, no network: agents run real tools and rules, and nothing is invented.",
    "Ni modèle ni réseau : les agents utilisent de vrais outils et de vraies règles, et rien n'est inventé.",
)
_MODEL = Texts(
    "Model found: {model}. It plans, explains and words the answer; findings come from tools.{most}",
    "Modèle trouvé : {model}. Il planifie, explique et rédige la réponse ; les constats viennent des outils.{most}",
)
_MODELS = Texts(
    "Models found: {best} plans and words the answer, {model} works with the agents; findings come from tools.{most}",
    "Modèles trouvés : {best} planifie et rédige la réponse, {model} travaille avec les agents ; les constats viennent "
    "des outils.{most}",
)
_THREE = Texts(
    "Models found: {best} plans, {model} works with the agents, {words} words the answer; findings come from "
    "tools.{most}",
    "Modèles trouvés : {best} planifie, {model} travaille avec les agents, {words} rédige la réponse ; les constats "
    "viennent des outils.{most}",
)
_NO_TOOLS_TWO = Texts(
    "Models found: {best} plans, {words} words the answer; they cannot call tools, so agents run their "
    "playbooks.{most}",
    "Modèles trouvés : {best} planifie, {words} rédige la réponse, mais ils ne savent pas appeler d'outils : les "
    "agents suivent leurs playbooks.{most}",
)
_NO_TOOLS = Texts(
    "Model found: {best}. It plans and words the answer; it cannot call tools, so agents run their playbooks.{most}",
    "Modèle trouvé : {best}. Il planifie et rédige la réponse, mais ne sait pas appeler d'outils : les agents "
    "suivent leurs playbooks.{most}",
)
_MOST = Texts(" At most {credits} credits.", " Au plus {credits} crédits.")
_NO_TERMINAL = Texts(
    "No terminal to ask on: the one approval will be given, for this copy only.",
    "Pas de terminal pour demander : l'unique accord sera donné, pour cette copie seulement.",
)
_NEXT = Texts(
    'Next, on your own project: nextgen run "check this project" --workspace PATH',
    'Ensuite, sur votre projet : nextgen run "vérifie ce projet" --workspace CHEMIN',
)
_DEMO = Texts("check this project", "vérifie ce projet")
_NO_GOAL = Texts("GOAL is missing.", "BUT manque.")
_NOTHING = Texts("Nothing was interrupted here.", "Rien n'a été interrompu ici.")
_MASKED = Texts(
    "The goal held a secret. Its value was masked before anything was kept: no agent, model or report has it. "
    "Name keys instead of writing them: `nextgen models add … --key-name NAME` for models, `env` and `headers` for "
    "MCP servers.",
    "L'objectif contenait un secret. Sa valeur a été masquée avant tout enregistrement : aucun agent, modèle ou "
    "rapport ne l'a. Nommez les clés au lieu de les écrire : `nextgen models add … --key-name NOM` pour les modèles, "
    "`env` et `headers` pour les serveurs MCP.",
)


Goal = Annotated[
    str | None,
    typer.Argument(
        metavar=text("GOAL", "BUT"),
        help=text("What is wanted, in plain words.", "Ce que vous voulez, en clair."),
        show_default=False,
    ),
]
Agents = Annotated[
    list[str] | None,
    typer.Option(
        "--agent",
        "-a",
        metavar="AGENT",
        help=text(
            "Send this agent instead of choosing: a recorded one, else one made from the template of that name "
            "(repeatable).",
            "Envoyer cet agent au lieu de choisir : un agent enregistré, sinon un agent créé depuis le modèle de ce "
            "nom (répétable).",
        ),
        autocompletion=agents_and_templates,
    ),
]
Network = Annotated[
    bool,
    typer.Option("--network", help=text("Grant the network to this mission.", "Accorder le réseau à la mission.")),
]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes",
        "-y",
        help=text(
            "Approve in advance what only writes inside the folder; never anything stronger.",
            "Accepter d'avance ce qui ne fait qu'écrire dans le dossier ; jamais rien de plus fort.",
        ),
    ),
]
Actions = Annotated[
    int, typer.Option(min=0, max=50, help=text("Most actions put to you.", "Nombre d'actions proposées au plus."))
]
ToolCalls = Annotated[
    int | None, typer.Option("--tool-calls", min=1, help=text("Budget of tool calls.", "Budget d'appels d'outils."))
]
Seconds = Annotated[float | None, typer.Option(min=1, help=text("Budget of seconds.", "Budget en secondes."))]
Spend = Annotated[
    float | None,
    typer.Option(
        "--budget",
        min=0,
        metavar=text("CREDITS", "CRÉDITS"),
        help=text(
            "Credits the mission may spend on models; never passed.",
            "Crédits que la mission peut dépenser en modèles ; jamais dépassés.",
        ),
    ),
]
NoModel = Annotated[
    bool,
    typer.Option(
        "--no-model",
        help=text("Ask no language model: playbooks only.", "Ne consulter aucun modèle de langage : playbooks seuls."),
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help=text(
            "Go on with what was interrupted here; with a goal, start it only if it is not under way already.",
            "Continuer ce qui a été interrompu ici ; avec un but, ne le lancer que s'il n'est pas déjà en cours.",
        ),
    ),
]


def run(
    goal: Goal = None,
    workspace: Workspace = Path(),
    agent: Agents = None,
    network: Network = False,
    yes: Yes = False,
    actions: Actions = 3,
    tool_calls: ToolCalls = None,
    seconds: Seconds = None,
    budget: Spend = None,
    no_model: NoModel = False,
    fail_on: FailOn = None,
    out: Out = None,
    resume: Resume = False,
    json: Json = False,
    jsonl: Jsonl = False,
    no_input: NoInput = False,
    no_recover: NoRecover = False,
    debug: Debug = False,
) -> None:
    """Run a mission on a folder."""
    voice = Voice(json=json, jsonl=jsonl, no_input=no_input, debug=debug)

    async def command() -> int:
        from nextgeneration.cli.session import person, with_session
        from nextgeneration.missions.schema import MissionOptions

        if goal is None and not resume:
            raise UsageWrong(detail=_NO_GOAL, command="nextgen run")
        options = MissionOptions(
            network=network,
            yes=yes,
            agents=tuple(agent or ()),
            actions=actions,
            user=person().partition(":")[2],
            models=not no_model,
        )
        limits = _given(tool_calls=tool_calls, seconds=seconds, credits=_micro(budget))

        async def mission(session: Session) -> int:
            if resume:
                code = await _resumed(session, goal)
                if code is not None:
                    return code
            return await _started(session, goal or "", options, limits)

        return await with_session(voice, workspace, mission, recover=not no_recover, out=out, fail_on=fail_on)

    enter(voice, command)


async def _started(session: Session, goal: str, options: MissionOptions, budget: dict[str, float]) -> int:
    """Accept a new mission and follow it."""
    from nextgeneration.missions.goals import secrets_in
    from nextgeneration.missions.schema import MissionBudget, MissionRequest
    from nextgeneration.templates.errors import TemplateUnknown

    names = options.agents or ()
    recorded = await session.services.agents.named(names)
    for name in names:
        try:
            if name not in recorded:
                session.services.templates.library.get(name)
        except TemplateUnknown as error:
            raise UsageWrong(detail=error.message(session.voice.lang), command="nextgen run") from None
    request = MissionRequest(
        goal=goal,
        workspace=str(session.workspace),
        lang=session.voice.lang,
        budget=MissionBudget(**budget),
        options=options,
    )
    mission = await session.services.missions.accept(request)
    if secrets_in(goal):
        session.voice.say(_MASKED)
    return await session.follow(mission.id)


async def _resumed(session: Session, goal: str | None) -> int | None:
    """Go on with unfinished missions of this folder; ``None`` when the goal has none and must be started."""
    from nextgeneration.cli.summary import most_telling
    from nextgeneration.missions.goals import kept

    here = str(session.workspace)
    if goal is None:
        lines = [line for line in await session.resumable() if line.workspace == here]
        if not lines:
            session.voice.say(_NOTHING)
        return most_telling([await session.follow(line.id) for line in lines])
    lines = [line for line in await session.unfinished() if line.workspace == here and line.goal == kept(goal)]
    return await session.follow(lines[0].id) if lines else None


def _micro(budget: float | None) -> int | None:
    from nextgeneration.credits.units import typed

    return None if budget is None else typed(str(budget), "credits")


def _given(**values: float | None) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}


def try_(
    budget: Spend = TRY_CREDITS,
    no_model: NoModel = False,
    json: Json = False,
    jsonl: Jsonl = False,
    no_input: NoInput = False,
    no_recover: NoRecover = False,
    debug: Debug = False,
) -> None:
    """Run the demo mission on a copy of the bundled sample project."""
    voice = Voice(json=json, jsonl=jsonl, no_input=no_input, debug=debug)

    async def command() -> int:
        from nextgeneration.cli.session import with_session
        from nextgeneration.missions.errors import BudgetRefused
        from nextgeneration.missions.schema import MissionOptions

        folder = _copied()
        voice.say(_COPY, path=folder)
        if not voice.can_ask:
            voice.say(_NO_TERMINAL)

        async def mission(session: Session) -> int:
            session.given = None if voice.can_ask else _for_the_copy
            limits = _told_models(session, None if no_model else budget, ask=not no_model)
            options = MissionOptions(actions=1, models=not no_model)
            try:
                code = await _started(session, _DEMO.say(voice.lang), options, limits)
            except BudgetRefused:
                if budget != TRY_CREDITS:
                    raise
                # The tenant's own limits leave less than our default: they hold all the same.
                code = await _started(session, _DEMO.say(voice.lang), options, {})
            if code != INTERRUPTED:
                voice.say(_NEXT)
            return code

        return await with_session(voice, folder, mission, recover=not no_recover)

    enter(voice, command)


def _told_models(session: Session, budget: float | None, *, ask: bool) -> dict[str, float]:
    """Say which models will be asked, or that none will.

    Returns:
        the limit of what they may cost; none where they cost nothing or nobody knows what: a limit refuses what has no
        price.
    """
    from nextgeneration.kernel.models import Usage, Wish

    gateway, voice = session.services.models.gateway, session.voice
    plans = gateway.candidates(Wish(purpose="plan")).candidates if ask else ()
    if not plans:
        voice.say(_NO_MODEL)
        return {}
    works = gateway.candidates(Wish(needs=frozenset({"tools"}))).candidates
    words = gateway.candidates(Wish(purpose="synthesise")).candidates[0]
    asked = [plans[0], words, *works[:1]]
    paid = all(model.priced for model in asked) and any(model.cost(Usage(1_000, 1_000)) for model in asked)
    limits = _given(credits=_micro(budget)) if paid else {}
    if words.name != plans[0].name:
        text = _THREE if works else _NO_TOOLS_TWO
    else:
        text = _NO_TOOLS if not works else _MODEL if works[0].name == plans[0].name else _MODELS
    most = _MOST.say(voice.lang, credits=f"{budget:g}") if limits else ""
    voice.say(text, model=asked[-1].name, best=plans[0].name, words=words.name, most=most)
    return limits


def _copied() -> Path:
    """A fresh private copy of the sample project."""
    from importlib.resources import as_file, files

    folder = Path(tempfile.mkdtemp(prefix="nextgen-try-")) / "orders"
    with as_file(files("nextgeneration") / "sample") as sample:
        shutil.copytree(sample, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def _for_the_copy(approval: Approval) -> str:
    plain = approval.label in {"safe", "write"} and approval.kind != "in_doubt"
    read = any("after" in call.get("conditions", {}) for call in approval.card.get("calls", []))
    return TRY_RULE if plain and not read else ""
