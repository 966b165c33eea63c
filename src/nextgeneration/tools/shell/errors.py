"""Errors of running commands."""

from __future__ import annotations

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.errors import ToolError


class ContainmentMissing(ToolError):
    """A command would run without containment, and nobody approved that."""

    code = "NG-SHELL-020"
    what = Texts(
        "Commands cannot be contained on this machine: {why}",
        "Les commandes ne peuvent pas être confinées sur cette machine : {why}",
    )
    mend = Texts(
        "Install bubblewrap (Debian, Ubuntu: `apt install bubblewrap`), or approve each command.",
        "Installez bubblewrap (Debian, Ubuntu : `apt install bubblewrap`), ou approuvez chaque commande.",
    )


class ContainmentChanged(ToolError):
    """What was shown before the call said another confinement than the one there is now."""

    code = "NG-SHELL-021"
    what = Texts(
        "Nothing was run: it was to run under {shown}, now there is {now}",
        "Rien n'a été exécuté : cela devait tourner sous {shown}, il y a maintenant {now}",
    )
    mend = Texts(
        "Ask again: the new conditions will be shown.", "Redemandez : les nouvelles conditions seront affichées."
    )


class ContainmentFailed(ToolError):
    """The confinement could not be set up; the command did not start."""

    code = "NG-SHELL-022"
    what = Texts(
        "The command did not start, its confinement failed: {detail}",
        "La commande n'a pas démarré, son confinement a échoué : {detail}",
    )
    mend = Texts("`nextgen doctor` tests the confinement.", "`nextgen doctor` teste le confinement.")


class UnconfinedRefused(ToolError):
    """A command was to run outside the confinement without a human's approval."""

    code = "NG-SHELL-023"
    what = Texts(
        "This would run outside the confinement, which only a human can approve",
        "Ceci tournerait hors du confinement, ce que seul un humain peut approuver",
    )
    mend = Texts("Approve it, or run it with `confined: true`.", "Approuvez-le, ou lancez-le avec `confined: true`.")


class CommandUnusable(ToolError):
    """The arguments name no command that can be run."""

    code = "NG-SHELL-024"
    what = Texts("This command cannot be run: {why}", "Cette commande ne peut pas être exécutée : {why}")
    mend = Texts(
        "Give either `argv` or `line`, and a `cwd` inside the workspace.",
        "Donnez soit `argv`, soit `line`, et un `cwd` dans l'espace de travail.",
    )


class WorkspaceBusy(ToolError):
    """The workspace cannot be prepared for a confined command."""

    code = "NG-SHELL-025"
    what = Texts(
        "The workspace could not be prepared for a confined command: {detail}",
        "L'espace de travail n'a pas pu être préparé pour une commande confinée : {detail}",
    )
    mend = Texts(
        "Check that you may write in the workspace's folder.",
        "Vérifiez que vous pouvez écrire dans le dossier de l'espace de travail.",
    )
