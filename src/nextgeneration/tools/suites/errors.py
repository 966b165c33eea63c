"""Errors of finding and running tests."""

from __future__ import annotations

from nextgeneration.kernel.language import Texts
from nextgeneration.tools.errors import ToolError


class NoSuites(ToolError):
    """There are no tests to run."""

    code = "NG-SUITE-001"
    what = Texts("No tests were found in {folder}", "Aucun test n'a été trouvé dans {folder}")
    mend = Texts("`test.find` says what is looked for.", "`test.find` dit ce qui est cherché.")
