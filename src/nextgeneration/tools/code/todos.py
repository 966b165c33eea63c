"""Notes that people left for later: TODO, FIXME, HACK and XXX in comments, one finding a file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import shortened
from nextgeneration.tools.code.languages import PROSE_AND_DATA
from nextgeneration.tools.code.notes import Notes
from nextgeneration.tools.code.python_prose import prose
from nextgeneration.tools.code.secrets import masked
from nextgeneration.tools.code.sources import Source

_TAG = re.compile(
    r"(?:#|//|/\*|\*|<!--|--|;|%)[^\n]{0,200}?\b(?P<tag>TODO|FIXME|HACK|XXX)\b(?:[^\w\n\"'`|][^\n]{0,300}|$)",
    re.MULTILINE,
)
_QUICK = ("TODO", "FIXME", "HACK", "XXX")
_SHOWN = 5


def inventory(source: Source, notes: Notes) -> None:
    """Note the file's tags with their counts and the first lines."""
    text = source.text
    if not source.written or (source.language in PROSE_AND_DATA - {"YAML", "TOML"}):
        return
    if not any(tag in text for tag in _QUICK):
        return
    found = [
        (source.line_of(m.start("tag")), m["tag"], m[0][m.start("tag") - m.start() :])
        for start, end in _comments(source)
        for m in _TAG.finditer(text, start, end)
    ]
    if not found:
        return
    counts = Counter(tag for _, tag, _ in found)
    told = ", ".join(f"{n} {tag}" for tag, n in counts.most_common())
    shown = [f"{line}: {shortened(masked(said).strip(), 90)}" for line, _, said in found[:_SHOWN]]
    notes.add(
        "code.todo",
        notes.say(Texts("{told} in {path}", "{told} dans {path}"), told=told, path=source.path),
        severity=Severity.INFO,
        path=source.path,
        line=found[0][0],
        excerpt="\n".join(shown),
        cause="todo",
        data={"counts": dict(counts), "lines": [line for line, _, _ in found[:100]]},
    )


def _comments(source: Source) -> Iterator[tuple[int, int]]:
    """Where tags count: in Python only in its comments, since a string or an expression may look like one."""
    if source.language == "Python":
        yield from ((found.start, found.end) for found in prose(source.text) if found.comment)
    else:
        yield 0, len(source.text)
