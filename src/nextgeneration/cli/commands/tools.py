"""``nextgen tools …``: list, show, risk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextgeneration.cli.options import Debug, Json, Workspace, plainly, text
from nextgeneration.cli.voice import Voice
from nextgeneration.kernel.language import Texts

if TYPE_CHECKING:
    from nextgeneration.kernel.tools import ToolSpec

app = typer.Typer(
    help=text("Tools: list, show, judge a shell line.", "Outils : lister, montrer, juger une ligne de commande.")
)

_ALIASES = Texts("also called {names}", "aussi appelé {names}")
_FACTS = Texts(
    "risk {risk}, effect {effect}, at most {seconds:.0f} s", "risque {risk}, effet {effect}, au plus {seconds:.0f} s"
)
_ARGS = Texts("Arguments", "Arguments")


@app.command("list")
def list_(json: Json = False, debug: Debug = False) -> None:
    """List the tools with their risk and what they do."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        from nextgeneration.services.parts import toolbox

        box = toolbox()
        if json:
            voice.document([_facts(box[name].spec, voice) for name in box])
            return 0
        for name in box:
            spec = box[name].spec
            voice.data(f"{name:<24} {spec.risk.value:<12} {spec.effect.value:<10} {spec.summary.say(voice.lang)}")
        return 0

    plainly(voice, command)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help=text("Name or alias.", "Nom ou alias."))],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show a tool: what it does, its risk, its arguments."""
    voice = Voice(json=json, debug=debug)

    def command() -> int:
        import json as json_

        from nextgeneration.services.parts import toolbox

        spec = toolbox()[name].spec
        if json:
            voice.document(
                _facts(spec, voice) | {"args": spec.args.model_json_schema(), "result": spec.result.model_json_schema()}
            )
            return 0
        voice.data(voice.paint(spec.name, "bold"))
        voice.data(spec.summary.say(voice.lang))
        voice.data(_FACTS.say(voice.lang, risk=spec.risk.value, effect=spec.effect.value, seconds=spec.seconds))
        if spec.aliases:
            voice.data(_ALIASES.say(voice.lang, names=", ".join(spec.aliases)))
        voice.data(f"{_ARGS.say(voice.lang)}:")
        voice.data(json_.dumps(spec.args.model_json_schema().get("properties", {}), ensure_ascii=False, indent=2))
        return 0

    plainly(voice, command)


@app.command()
def risk(
    line: Annotated[
        str,
        typer.Argument(help=text("A shell line; it is judged, not run.", "Une ligne de commande ; jugée, pas lancée.")),
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


def _facts(spec: ToolSpec, voice: Voice) -> dict[str, object]:
    return {
        "name": spec.name,
        "summary": spec.summary.say(voice.lang),
        "risk": spec.risk.value,
        "effect": spec.effect.value,
        "touches": sorted(spec.touches),
        "seconds": spec.seconds,
        "aliases": list(spec.aliases),
    }
