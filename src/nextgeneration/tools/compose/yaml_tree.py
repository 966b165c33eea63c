"""A YAML file as nodes that know their place; nothing is constructed from it.

The tree is built from the parser's events without recursion, so that neither deep nesting nor aliases
of aliases cost more than the file's own length.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

MAX_DEPTH = 64
MAX_NODES = 200_000
MAX_EXPANDED = 100_000
"""Nodes a file may have once its aliases are written out; a real file stays far below."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class Entry(NamedTuple):
    """One key of a mapping and its value; ``merged`` when it came through ``<<``."""

    key: Scalar
    value: Node
    merged: bool = False


@dataclass(slots=True, eq=False)
class Node:
    """A place in the text: ``start`` and ``end`` are offsets, ``line`` counts from 1, ``column`` from 0."""

    start: int
    end: int
    line: int
    column: int
    tag: str | None = None
    size: int = 1
    aliased: bool = False


@dataclass(slots=True, eq=False)
class Scalar(Node):
    """A single value as text; ``plain`` when it stands unquoted and untagged."""

    text: str = ""
    plain: bool = True
    block: bool = False

    @property
    def null(self) -> bool:
        """Whether YAML reads it as no value."""
        return self.plain and self.text in _NULLS


@dataclass(slots=True, eq=False)
class Sequence(Node):
    """A list."""

    items: list[Node] = field(default_factory=list)
    flow: bool = False


@dataclass(slots=True, eq=False)
class Mapping(Node):
    """A mapping. ``entries`` are its keys with merges followed: its own keys win over merged ones."""

    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    flow: bool = False
    entries: dict[str, Entry] = field(default_factory=dict)


class Fault(NamedTuple):
    """Something wrong with the YAML itself: ``kind`` is the slug of the rule that reports it."""

    kind: str
    line: int
    detail: str = ""


class Tree(NamedTuple):
    """What was read: a node per document, and the faults met."""

    documents: list[Node]
    faults: list[Fault]


class _Stop(Exception):
    """The rest of the file is not read."""


def parse(text: str) -> Tree:
    """The nodes of ``text``. Never raises: what cannot be read is a fault."""
    builder = _Builder(text)
    body = text.removeprefix("\ufeff")
    try:
        for event in yaml.parse(body, Loader=_LOADER):
            builder.take(event)
    except _Stop:
        pass
    except yaml.MarkedYAMLError as error:
        builder.refuse(error)
    except (yaml.YAMLError, UnicodeError) as error:
        position = getattr(error, "position", None)
        line = builder.line(position) if isinstance(position, int) else 1
        detail = getattr(error, "reason", "") or "unreadable characters"
        builder.faults.append(Fault("syntax", line, str(detail)))
    return Tree(builder.documents, builder.faults)


class _Builder:
    """Turns events into nodes, keeping the open collections on a stack of its own."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._shift = 1 if text.startswith("\ufeff") else 0
        self._newlines = [i for i, character in enumerate(text) if character == "\n"]
        self._stack: list[Mapping | Sequence] = []
        self._keys: list[Node | None] = []
        self._anchors: dict[str, Node] = {}
        self._open: set[int] = set()
        self._count = 0
        self.documents: list[Node] = []
        self.faults: list[Fault] = []

    def line(self, index: int) -> int:
        """The line, from 1, that holds the character at ``index``."""
        return bisect_right(self._newlines, index - 1) + 1

    def refuse(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        if error.context_mark and "end of stream" in (error.problem or ""):
            mark = error.context_mark
        lines = self._text.rstrip().split("\n")
        line = min(self.line(mark.index + self._shift) if mark else 1, len(lines))
        text = lines[line - 1]
        indent = text[: len(text) - len(text.lstrip())]
        kind = "tab" if "\t" in indent or "tab character" in (error.problem or "") else "syntax"
        self.faults.append(Fault(kind, line, error.problem or "not YAML"))

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._add(self._scalar(event), event.anchor)
        elif isinstance(event, yaml.MappingStartEvent):
            start, line, column = self._place(event)
            self._enter(Mapping(start, start, line, column, event.tag, flow=bool(event.flow_style)), event.anchor)
        elif isinstance(event, yaml.SequenceStartEvent):
            start, line, column = self._place(event)
            self._enter(Sequence(start, start, line, column, event.tag, flow=bool(event.flow_style)), event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._leave(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._anchors.clear()

    def _place(self, event: Any) -> tuple[int, int, int]:
        start = event.start_mark.index + self._shift
        return start, self.line(start), event.start_mark.column

    def _scalar(self, event: Any) -> Scalar:
        start, line, column = self._place(event)
        return Scalar(
            start,
            event.end_mark.index + self._shift,
            line,
            column,
            event.tag,
            text=event.value,
            plain=event.style in (None, "") and event.tag is None,
            block=event.style in ("|", ">"),
        )

    def _enter(self, node: Mapping | Sequence, anchor: str | None) -> None:
        if len(self._stack) >= MAX_DEPTH:
            self.faults.append(Fault("syntax", node.line, f"nested deeper than {MAX_DEPTH} levels"))
            raise _Stop
        self._add(node, anchor)
        self._stack.append(node)
        self._keys.append(None)
        self._open.add(id(node))

    def _leave(self, event: Any) -> None:
        node = self._stack.pop()
        self._keys.pop()
        self._open.discard(id(node))
        if isinstance(node, Mapping):
            self._index(node)
            node.size += sum(key.size + value.size for key, value in node.pairs)
            children = [value for _, value in node.pairs]
        else:
            node.size += sum(item.size for item in node.items)
            children = node.items
        if node.flow or not children:
            node.end = event.end_mark.index + self._shift
        else:
            node.end = max(child.end for child in children)
        if node.size > MAX_EXPANDED and node.size > 10 * self._count:
            self.faults.append(Fault("alias-bomb", node.line, str(node.size)))
            raise _Stop

    def _index(self, node: Mapping) -> None:
        own: dict[str, Entry] = {}
        inherited: list[Mapping] = []
        for key, value in node.pairs:
            if not isinstance(key, Scalar):
                continue
            if key.text == "<<" and key.plain:
                inherited += _merged(value)
                continue
            if key.text in own:
                self.faults.append(Fault("duplicate-key", key.line, key.text))
            own[key.text] = Entry(key, value)
        for mapping in inherited:
            for name, entry in mapping.entries.items():
                own.setdefault(name, Entry(entry.key, entry.value, merged=True))
        node.entries = {name: entry for name, entry in own.items() if entry.value.tag != "!reset"}

    def _alias(self, event: Any) -> None:
        start, line, column = self._place(event)
        target = self._anchors.get(event.anchor)
        if target is None or id(target) in self._open:
            kind = "syntax" if target is None else "alias-loop"
            detail = f"undefined alias *{event.anchor}" if target is None else event.anchor
            self.faults.append(Fault(kind, line, detail))
            target = Scalar(start, start, line, column)
        target.aliased = True
        self._add(target, None)

    def _add(self, node: Node, anchor: str | None) -> None:
        self._count += 1
        if self._count > MAX_NODES:
            self.faults.append(Fault("syntax", node.line, f"more than {MAX_NODES} values"))
            raise _Stop
        if anchor:
            self._anchors[anchor] = node
        if not self._stack:
            self.documents.append(node)
            return
        parent = self._stack[-1]
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif self._keys[-1] is None:
            self._keys[-1] = node
        else:
            parent.pairs.append((self._keys[-1], node))
            self._keys[-1] = None


def _merged(value: Node) -> list[Mapping]:
    if isinstance(value, Mapping):
        return [value]
    if isinstance(value, Sequence):
        return [item for item in value.items if isinstance(item, Mapping)]
    return []


def scalars(*roots: Node) -> Iterator[Scalar]:
    """Every scalar value below ``roots`` once, in the order of the file; keys are left out."""
    seen: set[int] = set()
    stack = list(reversed(roots))
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Scalar):
            yield node
        elif isinstance(node, Mapping):
            stack += [value for _, value in reversed(node.pairs)]
        elif isinstance(node, Sequence):
            stack += reversed(node.items)


def pairs(*roots: Node) -> Iterator[tuple[Scalar, Node]]:
    """Every key with its value below ``roots`` once."""
    seen: set[int] = set()
    stack = list(reversed(roots))
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Mapping):
            for key, value in node.pairs:
                if isinstance(key, Scalar):
                    yield key, value
            stack += [value for _, value in reversed(node.pairs)]
        elif isinstance(node, Sequence):
            stack += reversed(node.items)
