"""``nextgen tools …``: list, show, risk, mcp."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextgeneration.cli.commands import mcp
from nextgeneration.cli.completion import tools as tool_names
from nextgeneration.cli.options import Debug, Json, Workspace, plainly, text
from nextgeneration.cli.pages import Command, Group
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts

if TYPE_CHECKING:
    from nextgeneration.kernel.tools import Tool

app = typer.Typer(
    cls=Group,
    help=text("Tools: list, show, judge a shell line.", "Outils : lister, montrer, juger une ligne de commande."),
    no_args_is_help=True,
)
app.add_typer(mcp.app, name="mcp")

_ALIASES = Texts("also called {names}", "aussi appelé {names}")
_FACTS = Texts(
    "risk {risk}, effect {effect}, at most {seconds:.0f} s", "risque {risk}, effet {effect}, au plus {seconds:.0f} s"
)
_PRICE = Texts("costs {credits} credits a call", "coûte {credits} crédits par appel")
_JUDGED = Texts("{risk} or more, as each call is judged", "{risk} ou plus, selon chaque appel")
_HEADS = (
    Texts("TOOL", "OUTIL"),
    Texts("RISK", "RISQUE"),
    Texts("EFFECT", "EFFET"),
    Texts("WHAT IT DOES", "CE QU'IL FAIT"),
)
_STYLES = {"safe": "good", "write": "medium", "network": "medium"}
_ARGS = Texts("Arguments", "Arguments")


@app.command(
    "list",
    cls=Command,
    help=text("List the tools with their risk and what they do.", "Lister les outils, leur risque et ce qu'ils font."),
)
def list_(json: Json = False, debug: Debug = False) -> None:
    """List the tools with their risk and what they do."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.parts import toolbox

        box = toolbox()
        if json:
            voice.document([_facts(box[name], voice) for name in box])
            return 0
        voice.table(_HEADS, [_row(box[name], voice) for name in box])
        return 0

    plainly(voice, command)


@app.command(
    cls=Command,
    help=text(
        "Show a tool: what it does, its risk, its arguments.",
        "Montrer un outil : ce qu'il fait, son risque, ses arguments.",
    ),
)
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar=text("TOOL", "OUTIL"), help=text("Name or alias.", "Nom ou alias."), autocompletion=tool_names
        ),
    ],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show a tool: what it does, its risk, its arguments."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        import json as json_

        from nextgeneration.services.parts import price_of, toolbox

        tool = toolbox()[name]
        spec = tool.spec
        if json:
            voice.document(
                _facts(tool, voice)
                | {
                    "price": price_of(tool) or None,
                    "args": dict(spec.parameters),
                    "result": spec.result.model_json_schema(),
                }
            )
            return 0
        voice.data(voice.paint(spec.name, "bold"))
        voice.data(spec.summary.say(voice.lang))
        risk = _JUDGED.say(voice.lang, risk=spec.risk.value) if _judged(tool) else spec.risk.value
        voice.data(_FACTS.say(voice.lang, risk=risk, effect=spec.effect.value, seconds=spec.seconds))
        price = price_of(tool)
        if price:
            voice.data(_PRICE.say(voice.lang, credits=price))
        if spec.aliases:
            voice.data(_ALIASES.say(voice.lang, names=", ".join(spec.aliases)))
        voice.data(f"{_ARGS.say(voice.lang)}:")
        voice.data(json_.dumps(spec.parameters.get("properties", {}), ensure_ascii=False, indent=2))
        return 0

    plainly(voice, command)


@app.command(
    cls=Command,
    help=text(
        "Say how dangerous a shell line is, and why.", "Dire si une ligne de commande est dangereuse, et pourquoi."
    ),
)
def risk(
    line: Annotated[
        str,
        typer.Argument(
            metavar=text("LINE", "LIGNE"),
            help=text("A shell line; it is judged, not run.", "Une ligne de commande ; jugée, pas lancée."),
        ),
    ],
    workspace: Workspace = Path(),
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say how dangerous a shell line is, and why."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.kernel.show import escaped
        from nextgeneration.services.parts import judge_line

        judged = judge_line(line, workspace.resolve(), voice.lang)
        if json:
            commands = [{"command": c.argv_text, "label": c.label, "reasons": list(c.reasons)} for c in judged.commands]
            voice.document({"label": judged.label, "reasons": list(judged.reasons), "commands": commands})
            return 0
        voice.data(voice.paint(judged.label.value, "good" if judged.label.value == "safe" else "bad"))
        for reason in judged.reasons:
            voice.data(f"  {escaped(reason, newlines=False)}")
        return 0

    plainly(voice, command)


def _judged(tool: Tool) -> bool:
    """Whether the tool judges each call, and may find it riskier than the tool is said to be."""
    from nextgeneration.tools.base import BaseTool

    return getattr(tool.assess, "__func__", None) is not BaseTool.assess


def _row(tool: Tool, voice: Voice) -> list[tuple[str, str]]:
    spec = tool.spec
    risk = spec.risk.value
    shown = f"≥ {risk}" if _judged(tool) else risk
    about = (spec.summary.say(voice.lang), "place")
    return [(spec.name, "bold"), (shown, _STYLES.get(risk, "bad")), (spec.effect.value, "dim"), about]


def _facts(tool: Tool, voice: Voice) -> dict[str, object]:
    spec = tool.spec
    return {
        "name": spec.name,
        "summary": spec.summary.say(voice.lang),
        "risk": spec.risk.value,
        "judged": _judged(tool),
        "effect": spec.effect.value,
        "touches": sorted(spec.touches),
        "seconds": spec.seconds,
        "aliases": list(spec.aliases),
    }
