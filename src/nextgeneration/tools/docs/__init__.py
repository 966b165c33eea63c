"""What documentation says, lacks, and gets wrong."""

from __future__ import annotations

from nextgeneration.kernel.tools import Tool
from nextgeneration.settings.tools import ToolSettings


def tools(settings: ToolSettings) -> list[Tool]:  # noqa: ARG001 - every package of tools is asked the same way
    """The documentation tools."""
    from nextgeneration.tools.docs.docstrings import DocsDocstrings
    from nextgeneration.tools.docs.keywords import DocsKeywords
    from nextgeneration.tools.docs.links import DocsLinks
    from nextgeneration.tools.docs.pdf import PdfRead
    from nextgeneration.tools.docs.readme import DocsReadme
    from nextgeneration.tools.docs.summary import DocsSummary

    return [DocsSummary(), DocsKeywords(), DocsDocstrings(), DocsLinks(), DocsReadme(), PdfRead()]
