"""What a program that runs missions sets up for its whole process, and a library must not."""

from __future__ import annotations

import gc


def tune_collector() -> None:
    """Let the garbage collector look less often; called before anything big is imported.

    Reports and graphs make many small objects that die young and hold no circles: measured, the collector's passes
    over everything ever imported took a quarter of a mission's time.
    """
    gc.set_threshold(100_000, 20, 50)
