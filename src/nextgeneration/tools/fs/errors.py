"""Errors of the file tools."""

from __future__ import annotations

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.errors import ToolError


class PatchUnusable(ToolError):
    """A text is no unified diff that can be applied."""

    code = "NG-FS-001"
    what = Texts("This is no usable patch: {why}", "Ce n'est pas un correctif utilisable : {why}")
    mend = Texts(
        "Give a unified diff with a/ and b/ paths relative to the workspace, as `git diff` writes it.",
        "Donnez un diff unifié avec des chemins a/ et b/ relatifs à l'espace de travail, comme `git diff`.",
    )


class PatchMisfit(ToolError):
    """A hunk does not fit the file it is for; nothing was changed."""

    code = "NG-FS-002"
    what = Texts(
        "Hunk {hunk} does not fit {path}: {why}; nothing was changed",
        "Le bloc {hunk} ne correspond pas à {path} : {why} ; rien n'a été modifié",
    )
    mend = Texts("Read the file again and make the patch anew.", "Relisez le fichier et refaites le correctif.")


class PatternInvalid(ToolError):
    """A search pattern is no regular expression."""

    code = "NG-FS-003"
    what = Texts("The pattern {pattern} is invalid: {detail}", "Le motif {pattern} est invalide : {detail}")
    mend = Texts("Correct it, or search with `literal: true`.", "Corrigez-le, ou cherchez avec `literal: true`.")


class SearchTimedOut(ToolError):
    """A search took too long and was ended."""

    code = "NG-FS-004"
    what = Texts("The search was ended after {seconds} s", "La recherche a été arrêtée après {seconds} s")
    mend = Texts(
        "Use a simpler pattern, or search fewer files with `path` and `glob`.",
        "Utilisez un motif plus simple, ou moins de fichiers avec `path` et `glob`.",
    )
    retryable = True


class NotMarkdown(ToolError):
    """The Markdown writer was given another kind of file."""

    code = "NG-FS-005"
    what = Texts("{path} is not a Markdown file", "{path} n'est pas un fichier Markdown")
    mend = Texts("Use a name that ends in .md, or `fs.write`.", "Utilisez un nom qui finit par .md, ou `fs.write`.")
