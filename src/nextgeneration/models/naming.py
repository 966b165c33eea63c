"""Names of tools as providers allow them, and back again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_FORBIDDEN = re.compile(r"[^a-zA-Z0-9_-]")
_STARTS = re.compile(r"[a-zA-Z_]")
LONGEST = 64


class ToolNames:
    """A bijection between the names of one request and names every provider takes.

    A name depends on no other one unless two would become the same, so that it stays from request to request and the
    provider's prompt cache holds.

    Args:
        names: the names of the request: of its tools first, then of earlier calls.
    """

    def __init__(self, names: Iterable[str]) -> None:
        unique = list(dict.fromkeys(names))
        literal = {name for name in unique if _plain(name) == name}
        self._out: dict[str, str] = {}
        self._back: dict[str, str] = {}
        for name in unique:
            safe = _plain(name)
            if name not in literal and (safe in literal or safe in self._back):
                mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
                safe = f"{safe[: LONGEST - 9]}_{mark}"
            self._out[name] = safe
            self._back[safe] = name

    def out(self, name: str) -> str:
        """The name a provider is shown."""
        return self._out.get(name) or _plain(name)

    def back(self, name: str) -> str:
        """The name a provider's answer means; one that nobody offered stays as it is."""
        return self._back.get(name, name)


def _plain(name: str) -> str:
    safe = _FORBIDDEN.sub("_", name) or "_"
    if _STARTS.match(safe) is None:
        safe = f"_{safe}"
    if len(safe) > LONGEST:
        mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        safe = f"{safe[: LONGEST - 9]}_{mark}"
    return safe
