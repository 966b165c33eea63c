"""What can go wrong when the parts are put together."""

from __future__ import annotations

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts


class CodeUnknown(NGError, LookupError):
    """There is no error with this code."""

    code = "NG-SERVICE-001"
    what = Texts("There is no error code {given}{near}", "Il n'y a pas de code d'erreur {given}{near}")
    mend = Texts(
        "The reference lists all codes: docs/reference/errors.md.",
        "La référence liste tous les codes : docs/reference/errors.md.",
    )
    exit_code = 2


class WorkspaceMissing(NGError, ValueError):
    """The workspace is no folder that can be read."""

    code = "NG-SERVICE-002"
    what = Texts("{path} is not a folder", "{path} n'est pas un dossier")
    mend = Texts("Give an existing folder with --workspace.", "Donnez un dossier existant avec --workspace.")
    exit_code = 2


class ScratchUnsafe(NGError):
    """Where a mission's temporary files belong stands something that is not this user's own folder."""

    code = "NG-SERVICE-010"
    what = Texts(
        "{path} is not this user's own folder: temporary files are not put there",
        "{path} n'est pas un dossier de cet utilisateur : les fichiers temporaires n'y vont pas",
    )
    mend = Texts("Look at what is there and remove it.", "Examinez ce qui s'y trouve et retirez-le.")


class RecordsNotDeleted(NGError):
    """A file of a mission could not be removed."""

    code = "NG-SERVICE-011"
    what = Texts(
        "{mission} is not deleted, for {path} cannot be removed: {detail}",
        "{mission} n'est pas supprimée, car {path} ne peut être retiré : {detail}",
    )
    mend = Texts(
        "Remove it, then delete the mission again: its records are still there.",
        "Retirez-le, puis supprimez à nouveau la mission : ses enregistrements sont toujours là.",
    )
