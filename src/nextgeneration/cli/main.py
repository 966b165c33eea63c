"""The ``nextgen`` command."""

from __future__ import annotations

import typer

from nextgeneration.cli.commands import agents, approvals, basics, missions, run, templates, tools
from nextgeneration.cli.options import text

app = typer.Typer(
    name="nextgen",
    help=text(
        "JSON templates become agents, missions run in parallel, a human is asked before anything risky.",
        "Des modèles JSON deviennent des agents, les missions vont en parallèle, un humain décide avant tout risque.",
    ),
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command(
    "try", help=text("Run the demo mission on a copy of the sample project.", "Lancer la mission de démonstration.")
)(run.try_)
app.command(help=text("Run a mission on a folder.", "Lancer une mission sur un dossier."))(run.run)
app.add_typer(missions.app, name="missions")
app.add_typer(approvals.app, name="approvals")
app.add_typer(templates.app, name="templates")
app.add_typer(agents.app, name="agents")
app.add_typer(tools.app, name="tools")
app.command(help=text("Check this installation.", "Examiner cette installation."))(basics.doctor)
app.command(help=text("Prepare a project folder.", "Préparer le dossier d'un projet."))(basics.init)
app.command(help=text("Explain an error code.", "Expliquer un code d'erreur."))(basics.explain)
app.command(help=text("Print the version.", "Afficher la version."))(basics.version)


def main() -> None:
    """Entry point of the installed command."""
    app()
