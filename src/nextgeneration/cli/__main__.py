"""``python -m nextgeneration.cli``: the ``nextgen`` command where its script is not on the path."""

from __future__ import annotations

from nextgeneration.cli.main import main

main()
