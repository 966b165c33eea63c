"""When the same model is asked again."""

from __future__ import annotations

from nextgeneration.models.errors import ModelFailure

TRIES = 4
FIRST_SECONDS = 0.5
MOST_SECONDS = 20.0
MOST_PATIENCE = 60.0
"""Longest ``Retry-After`` that is waited for; a longer one means another model, or the failure itself."""


def delay(
    error: ModelFailure, tries: int, *, jitter: float, most: int = TRIES, patience: float = MOST_PATIENCE
) -> float | None:
    """Seconds to wait before the same model is asked again; ``None``: it is not.

    Only a call that was not billed is repeated: one whose bill is unknown would be paid for twice.

    Args:
        error: how the last try failed.
        tries: how many tries there were.
        jitter: a random number from 0 to 1, so that callers that failed together do not return together.
        most: most tries of one call on one model.
        patience: longest ``Retry-After`` that is waited for, in seconds.
    """
    if error.spent != "none" or not error.again or tries >= most:
        return None
    if error.retry_after is not None:
        if error.retry_after > patience:
            return None
        return max(error.retry_after, 0.0) + jitter * min(1.0, FIRST_SECONDS + error.retry_after / 10)
    ceiling = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** max(tries - 1, 0))
    return ceiling * (0.5 + jitter / 2)
