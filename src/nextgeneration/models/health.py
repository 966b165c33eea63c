"""How each model has been answering lately: the circuit breaker."""

from __future__ import annotations

from dataclasses import dataclass

from nextgeneration.kernel.clock import Clock
from nextgeneration.models.errors import AccountEmpty, KeyRefused, ModelFailure, ModelMissing, ModelRateLimited

FAILURES = 3
"""Failures in a row after which a model is left alone for a while."""
FIRST_PAUSE = 15.0
LONGEST_PAUSE = 300.0
HOPELESS_PAUSE = 600.0
"""For what time alone does not mend: a refused key, an empty account, a model that is not there."""
_SMOOTH = 0.2


@dataclass(slots=True)
class Health:
    """One model's record. One that is left alone stands behind all others; asked anyway and answering, it is back."""

    clock: Clock
    failures: int = 0
    pauses: int = 0
    until: float = 0.0
    seconds: float | None = None
    why: str = ""

    @property
    def resting(self) -> float:
        """Seconds for which the model is still left alone; 0 when it is not."""
        return max(self.until - self.clock.monotonic(), 0.0)

    def succeeded(self, seconds: float) -> None:
        """It answered in so many seconds."""
        self.failures = self.pauses = 0
        self.until = 0.0
        self.why = ""
        self.seconds = seconds if self.seconds is None else self.seconds + _SMOOTH * (seconds - self.seconds)

    def failed(self, error: ModelFailure) -> None:
        """It failed. What lies in the request alone (its length, its form) says nothing about the model."""
        if isinstance(error, KeyRefused | AccountEmpty | ModelMissing):
            self._rest(HOPELESS_PAUSE, error)
        elif isinstance(error, ModelRateLimited):
            self._rest(error.retry_after if error.retry_after is not None else 1.0, error)
        elif error.retryable:
            self.failures += 1
            if self.failures >= FAILURES:
                self._rest(min(FIRST_PAUSE * 2.0**self.pauses, LONGEST_PAUSE), error)
                self.pauses += 1
                # After its pause one failure is enough to rest again.
                self.failures = FAILURES - 1

    def _rest(self, seconds: float, error: ModelFailure) -> None:
        self.until = max(self.until, self.clock.monotonic() + seconds)
        self.why = error.code
