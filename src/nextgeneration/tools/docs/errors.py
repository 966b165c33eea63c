"""Errors of the documentation tools."""

from __future__ import annotations

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.errors import ToolError


class NoText(ToolError):
    """There is nothing to read."""

    code = "NG-DOCS-001"
    what = Texts(
        "{tool} was given no text, and the workspace has no documentation",
        "{tool} n'a reçu aucun texte, et l'espace de travail n'a pas de documentation",
    )
    mend = Texts("Give `text`, or `paths` of text files.", "Donnez `text`, ou `paths` de fichiers texte.")


class PdfUnreadable(ToolError):
    """The file is no PDF, or too damaged to be read."""

    code = "NG-DOCS-002"
    what = Texts("{path} cannot be read as a PDF: {detail}", "{path} n'est pas lisible comme PDF : {detail}")
    mend = Texts("Open it in a viewer and save it again.", "Ouvrez-le dans un lecteur et enregistrez-le à nouveau.")


class PdfEncrypted(ToolError):
    """The PDF needs a password."""

    code = "NG-DOCS-003"
    what = Texts("{path} is encrypted and needs a password", "{path} est chiffré et demande un mot de passe")
    mend = Texts("Save a copy without a password.", "Enregistrez une copie sans mot de passe.")


class PdfTooHeavy(ToolError):
    """Reading the PDF took more time or memory than it may."""

    code = "NG-DOCS-004"
    what = Texts(
        "Reading {path} was ended: it takes more than {seconds:g} s or {memory} MB",
        "La lecture de {path} a été arrêtée : plus de {seconds:g} s ou de {memory} Mo",
    )
    mend = Texts("Name fewer pages with `pages`.", "Nommez moins de pages avec `pages`.")


class PagesUnknown(ToolError, ValueError):
    """The page range cannot be read."""

    code = "NG-DOCS-005"
    what = Texts("The pages {pages} are not a range", "Les pages {pages} ne sont pas un intervalle")
    mend = Texts("Write pages as 1-3,7 (from 1).", "Écrivez les pages comme 1-3,7 (à partir de 1).")
