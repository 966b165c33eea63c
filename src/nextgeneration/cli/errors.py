"""What can go wrong between a person and the command line."""

from __future__ import annotations

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts


class UsageWrong(NGError):
    """The command was not written as it must be."""

    code = "NG-CLI-001"
    what = Texts("{detail}", "{detail}")
    mend = Texts("`{command} --help` says what it takes.", "`{command} --help` dit ce qu'elle attend.")
    exit_code = 2


class OutputRefused(NGError):
    """The answer could not be written to standard output."""

    code = "NG-CLI-002"
    what = Texts(
        "The answer cannot be written to standard output: {detail}",
        "La réponse ne peut être écrite sur la sortie standard : {detail}",
    )
    mend = Texts(
        "Make room, or send the output elsewhere; nothing that was done is lost.",
        "Faites de la place, ou envoyez la sortie ailleurs ; rien de ce qui a été fait n'est perdu.",
    )


class ReportNotWritten(NGError):
    """The files of a mission's report could not be written."""

    code = "NG-CLI-003"
    what = Texts(
        "The report of {mission} cannot be written to {folder}: {detail}",
        "Le rapport de {mission} ne peut être écrit dans {folder} : {detail}",
    )
    mend = Texts(
        "The mission itself is kept: `nextgen missions show {mission} --out FOLDER` writes its report elsewhere.",
        "La mission elle-même est gardée : `nextgen missions show {mission} --out DOSSIER` écrit son rapport ailleurs.",
    )


class SystemRefused(NGError):
    """The operating system refused something the command needs."""

    code = "NG-CLI-004"
    what = Texts("The system refused: {detail}", "Le système a refusé : {detail}")
    mend = Texts(
        "Check the path, its permissions and the room on the disk.",
        "Vérifiez le chemin, ses permissions et la place sur le disque.",
    )


class NotConfirmed(NGError):
    """A question had to be asked, and there was nobody to ask."""

    code = "NG-CLI-005"
    what = Texts(
        "Nothing was changed, for nobody answered: {question}", "Rien n'a changé, faute de réponse : {question}"
    )
    mend = Texts("Run it at a terminal, or add --yes.", "Lancez-la dans un terminal, ou ajoutez --yes.")
    exit_code = 2


class ArgumentsUnreadable(NGError):
    """What is to stand in place of a call's arguments is no JSON object."""

    code = "NG-CLI-006"
    what = Texts("These arguments are no JSON object: {detail}", "Ces arguments ne sont pas un objet JSON : {detail}")
    mend = Texts(
        "Begin with those on the card: `nextgen approvals show ID --json`.",
        "Partez de ceux de la carte : `nextgen approvals show ID --json`.",
    )
    exit_code = 2


class EditorFailed(NGError):
    """The editor could not be run, or ended with an error."""

    code = "NG-CLI-007"
    what = Texts("The editor {editor} gave nothing: {detail}", "L'éditeur {editor} n'a rien donné : {detail}")
    mend = Texts(
        "Nothing was changed. Set VISUAL or EDITOR, or use `nextgen approvals edit ID --args FILE`.",
        "Rien n'a changé. Réglez VISUAL ou EDITOR, ou employez `nextgen approvals edit ID --args FICHIER`.",
    )
