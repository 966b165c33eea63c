"""Files of the workspace: read, found, searched, written, patched."""

from __future__ import annotations

from nextgeneration.kernel.tools import Tool
from nextgeneration.settings.tools import ToolSettings


def tools(settings: ToolSettings) -> list[Tool]:  # noqa: ARG001 - every package of tools is asked the same way
    """The file tools."""
    from nextgeneration.tools.fs.patching import FsPatch
    from nextgeneration.tools.fs.reading import FsGlob, FsList, FsRead
    from nextgeneration.tools.fs.searching import FsSearch
    from nextgeneration.tools.fs.writing import FsWrite, FsWriteMarkdown

    return [FsRead(), FsList(), FsGlob(), FsSearch(), FsWrite(), FsWriteMarkdown(), FsPatch()]
