"""Changes of a compose file as edits of its text, so that comments and formatting stay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nextgeneration.tools.compose.model import ComposeFile, Service
from nextgeneration.tools.compose.yaml_tree import Mapping, Node, Scalar


class Edit(NamedTuple):
    """Put ``text`` in place of the characters from ``start`` to ``end``; ``order`` sorts insertions at one place."""

    start: int
    end: int
    order: int
    text: str


def applied(text: str, edits: Iterable[Edit]) -> str | None:
    """``text`` with all edits made; None when two of them touch the same characters."""
    parts: list[str] = []
    at = 0
    for edit in sorted(set(edits)):
        if edit.start < at:
            return None
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join((*parts, text[at:]))


def replacement(node: Scalar, text: str) -> tuple[Edit, ...]:
    """The value written anew, as it stands."""
    return (Edit(node.start, node.end, 0, text),)


def quoted(node: Scalar, prefix: str = "") -> tuple[Edit, ...]:
    """The value in double quotes, with ``prefix`` put before it; nothing for values quoted across lines."""
    if node.block or node.tag is not None:
        return ()
    if not node.plain:
        return (Edit(node.start + 1, node.start + 1, 1, prefix),) if prefix else ()
    if '"' in node.text or "\\" in node.text or "\n" in node.text:
        return ()
    edits = [Edit(node.start, node.start, 0, '"'), Edit(node.end, node.end, 1, '"')]
    if prefix:
        edits.insert(1, Edit(node.start, node.start, 1, prefix))
    return tuple(edits)


def whole_line(file: ComposeFile, key: Node, value: Node) -> tuple[Edit, ...]:
    """The line of one key and its value taken away, with an empty line after it at the top of the file."""
    start = file.text.rfind("\n", 0, key.start) + 1
    end = file.text.find("\n", value.end)
    end = len(file.text) if end < 0 else end + 1
    line = file.text[start:end]
    rest = file.text[value.end : end].strip()
    if line.count("\n") > 1 or file.text[start : key.start].strip() or (rest and not rest.startswith("#")):
        return ()
    if not file.text[:start].strip():
        while file.text.startswith(("\n", "\r\n"), end):
            end = file.text.index("\n", end) + 1
    return (Edit(start, end, 0, ""),)


def added_keys(file: ComposeFile, service: Service, lines: Sequence[str], flow: str, order: int) -> tuple[Edit, ...]:
    """Keys put into a service: ``lines`` in a block (indented by two where nested), ``flow`` in braces."""
    return added_to(file, service.node, lines, flow, order, after="image")


def added_to(
    file: ComposeFile, node: Mapping, lines: Sequence[str], flow: str, order: int, after: str = ""
) -> tuple[Edit, ...]:
    """Keys put into a mapping after the key ``after`` where that is one line, else before its first key."""
    if not node.pairs or node.aliased:
        return ()
    first = node.pairs[0][0]
    if node.flow:
        last = node.pairs[-1][1]
        return (Edit(last.end, last.end, order, ", " + flow),) if last.end > first.start else ()
    line_start = file.text.rfind("\n", 0, first.start) + 1
    indent, step = " " * first.column, " " * _step(file)
    ending = "\r\n" if file.lines[0].endswith("\r") else "\n"
    block = [indent + step * ((len(line) - len(line.lstrip())) // 2) + line.lstrip() for line in lines]
    entry = node.entries.get(after)
    if entry and not entry.merged and _one_line(file, entry.value):
        end = file.text.find("\n", entry.value.end)
        if end < 0:
            return (Edit(len(file.text), len(file.text), order, "".join(ending + line for line in block)),)
        return (Edit(end + 1, end + 1, order, "".join(line + ending for line in block)),)
    if file.text[line_start : first.start] != indent:
        return ()
    return (Edit(line_start, line_start, order, "".join(line + ending for line in block)),)


def _step(file: ComposeFile) -> int:
    """How many spaces the file indents a level with."""
    for service in file.services.values():
        if service.key.column and not service.node.flow:
            return service.key.column
    return 2


def _one_line(file: ComposeFile, value: Node) -> bool:
    if not isinstance(value, Scalar) or value.block or value.aliased:
        return False
    end = file.text.find("\n", value.end)
    rest = file.text[value.end : len(file.text) if end < 0 else end].strip()
    return "\n" not in file.text[value.start : value.end] and (not rest or rest.startswith("#"))
