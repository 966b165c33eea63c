"""What is kept and shown of a command's output: the beginning, the end, and progress by lines."""

from __future__ import annotations

import codecs
from collections.abc import Callable

from nextgeneration.kernel.show import clean, escaped, shortened

MAX_LINES = 1_000
"""Most lines of one command reported as progress; the output itself goes on being kept."""

MAX_LINE = 500


class Kept:
    """The first and the last half of a limit of bytes; what falls between is counted, not stored."""

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self.omitted = 0

    def add(self, data: bytes) -> None:
        """Take a chunk."""
        room = self._half - len(self._head)
        self._head += data[:room] if room > 0 else b""
        self._tail += data[max(room, 0) :]
        excess = len(self._tail) - self._half
        # Cut in large steps: cutting at every chunk would copy the tail each time.
        if excess > self._half:
            self._cut(excess)

    def _cut(self, excess: int) -> None:
        del self._tail[:excess]
        self.omitted += excess

    def text(self) -> str:
        """What was kept, with a line that says how much is missing."""
        excess = len(self._tail) - self._half
        if excess > 0:
            self._cut(excess)
        head, tail = (clean(bytes(part).decode("utf-8", "replace")) for part in (self._head, self._tail))
        return f"{head}\n[… {self.omitted} bytes omitted …]\n{tail}" if self.omitted else head + tail


class Progress:
    """Hands on complete lines as they come, made fit to be shown."""

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._left = MAX_LINES

    def add(self, data: bytes) -> None:
        """Take a chunk."""
        if self._left <= 0:
            return
        *lines, rest = (self._rest + self._decoder.decode(data)).split("\n")
        self._rest = rest[: 4 * MAX_LINE]
        for line in lines[: self._left]:
            self._emit(shortened(escaped(line.rstrip("\r"), newlines=False), MAX_LINE))
        self._left -= len(lines)

    def end(self) -> None:
        """Hand on what stood on the last line without an end."""
        if self._rest and self._left > 0:
            self._emit(shortened(escaped(self._rest, newlines=False), MAX_LINE))
        self._rest = ""
