"""Errors of the code tools."""

from __future__ import annotations

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.errors import ToolError


class LinterFailed(ToolError):
    """Ruff ended in a way that gives no answer."""

    code = "NG-CODE-001"
    what = Texts("Ruff could not check the Python files: {detail}", "Ruff n'a pas pu vérifier le Python : {detail}")
    mend = Texts(
        "Run `python -m ruff --version` in the environment of NextGeneration; reinstall Ruff if it does not answer.",
        "Lancez `python -m ruff --version` dans cet environnement ; réinstallez Ruff s'il ne répond pas.",
    )


class LinterTooSlow(ToolError):
    """Ruff was ended at its time limit."""

    code = "NG-CODE-002"
    what = Texts("Ruff was ended after {seconds} s", "Ruff a été arrêté après {seconds} s")
    mend = Texts("Name fewer paths with `paths`.", "Nommez moins de chemins avec `paths`.")
    retryable = True
