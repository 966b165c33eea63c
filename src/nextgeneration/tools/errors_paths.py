"""Errors of paths in a workspace."""

from __future__ import annotations

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.errors import ToolError


class PathRefused(ToolError):
    """A path leads out of the workspace, or to something that is not a plain file or folder."""

    code = "NG-PATH-001"
    what = Texts("The path {path} is refused: {why}", "Le chemin {path} est refusé : {why}")
    mend = Texts(
        "Give a path relative to the workspace, with forward slashes and without `..`.",
        "Donnez un chemin relatif à l'espace de travail, avec des barres obliques et sans `..`.",
    )


class FileMissing(ToolError):
    """There is no such file in the workspace."""

    code = "NG-PATH-002"
    what = Texts("{path} does not exist in the workspace", "{path} n'existe pas dans l'espace de travail")
    mend = Texts("`fs.list` and `fs.glob` show what is there.", "`fs.list` et `fs.glob` montrent ce qui s'y trouve.")


class FileTooLarge(ToolError):
    """A file is larger than the reader's limit."""

    code = "NG-PATH-003"
    what = Texts("{path} has {size} bytes; the limit is {limit}", "{path} fait {size} octets ; la limite est {limit}")
    mend = Texts(
        "Read a part of it with `offset` and `limit`, or search it.",
        "Lisez-en une partie avec `offset` et `limit`, ou cherchez dedans.",
    )


class ControlFileRefused(ToolError):
    """A file that decides what other programs run may not be written by an agent."""

    code = "NG-PATH-004"
    what = Texts("{path} may not be written: {why}", "{path} ne peut pas être écrit : {why}")
    mend = Texts("Make this change yourself.", "Faites ce changement vous-même.")


class FileChanged(ToolError):
    """The file is not what it was when the change was prepared."""

    code = "NG-PATH-005"
    what = Texts(
        "{path} changed since this was prepared; nothing was written",
        "{path} a changé depuis la préparation ; rien n'a été écrit",
    )
    mend = Texts("Read it again and prepare the change anew.", "Relisez-le et préparez le changement à nouveau.")


class WriteFailed(ToolError):
    """The operating system refused a write."""

    code = "NG-PATH-006"
    what = Texts("{path} could not be written: {detail}", "{path} n'a pas pu être écrit : {detail}")
    mend = Texts(
        "Check the rights of the folder and the space left.", "Vérifiez les droits du dossier et la place restante."
    )


class NameUnshown(ToolError):
    """A file's name holds characters that cannot be shown, so no tool works on it."""

    code = "NG-PATH-008"
    what = Texts("{path} has a name that cannot be shown", "{path} a un nom qui ne peut être affiché")
    mend = Texts(
        "Rename it without control characters, special spaces or invisible marks.",
        "Renommez-le sans caractères de contrôle, espaces spéciales ni marques invisibles.",
    )


class WorkspaceRefused(ToolError):
    """A folder cannot be a workspace."""

    code = "NG-PATH-007"
    what = Texts("{path} cannot be a workspace: {why}", "{path} ne peut pas être un espace de travail : {why}")
    mend = Texts("Name the folder of one project.", "Indiquez le dossier d'un seul projet.")
