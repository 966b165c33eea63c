"""What can be wrong with a module: every small change that a test should notice.

A mutant replaces one piece of the text, found through ``ast``; the rest stands as it was written, so
that a diff shows the change and nothing else. Annotations, docstrings and what is written for people
(``Texts``, log lines) are left alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.Mult: ast.Add,
}
SWAPPED = {"min": "max", "max": "min", "any": "all", "all": "any"}
SWAPPED_METHODS = {"startswith": "endswith", "endswith": "startswith", "fullmatch": "match", "match": "search"}
CLEANING_METHODS = {"casefold", "lower", "strip", "lstrip", "rstrip"}
CLEANING = {"clean", "escaped", "shortened", "plain", "sorted", "_folded"}
SPOKEN = {"Texts", "logger"}
WEAKER = {
    "RiskLabel": ("safe", "write", "network", "unknown", "destructive", "privileged"),
    "Verdict": ("allow", "ask", "deny"),
    "EffectRule": ("pure", "idempotent", "once"),
    "Happened": ("no", "unknown", "yes"),
    "ApprovalStatus": ("approved", "pending", "rejected", "retry", "done", "fail", "expired", "replaced"),
}
"""Enumerations whose members are replaced by the one before."""
DROPPED_WHOLE = {(ast.Dict, "keys"), (ast.Set, "elts"), (ast.List, "elts"), (ast.Tuple, "elts"), (ast.Call, "args")}
"""Where texts stand one beside the other: each is dropped, none is changed."""
LABELS = {label.upper(): label for label in WEAKER["RiskLabel"]}
DATA = {"word", "path kind", "entry", "keyword", "alternative", "constant"}
"""What is a table's when it stands outside functions: tables are sampled apart, being long and their entries alike."""


class Edit(NamedTuple):
    """``text`` in place of the bytes from ``start`` to ``end``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed module."""

    path: str
    line: int
    operator: str
    edit: Edit
    table: bool
    source: bytes = field(repr=False, compare=False)

    @property
    def key(self) -> str:
        return f"{self.path}:{self.line}:{self.operator}:{self.edit.start}-{self.edit.end}:{self.edit.text}"

    @property
    def applied(self) -> bytes:
        return self.source[: self.edit.start] + self.edit.text.encode() + self.source[self.edit.end :]


def mutants(path: str, source: bytes) -> list[Mutant]:
    """Every mutant of a module, in the order of the text."""
    tree = ast.parse(source)
    finder = _Finder(source)
    finder.walk(tree)
    unique = {edit: (line, operator) for line, operator, edit in reversed(finder.found)}
    bodies = [finder.span(node) for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    made = [
        Mutant(path, line, operator, edit, operator in DATA and not any(a <= edit.start < b for a, b in bodies), source)
        for edit, (line, operator) in unique.items()
    ]
    return sorted(made, key=lambda m: (m.edit, m.operator))


def counts(mutant: Mutant) -> bool:
    """Whether it is a program, and another one than the original."""
    try:
        return ast.dump(ast.parse(mutant.applied)) != ast.dump(ast.parse(mutant.source))
    except SyntaxError:
        return False


class _Finder:
    """Collects edits while walking down a tree."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.starts = [0]
        for line in source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.found: list[tuple[int, str, Edit]] = []

    def span(self, node: ast.AST) -> tuple[int, int]:
        return (
            self.starts[node.lineno - 1] + node.col_offset,  # type: ignore[attr-defined]
            self.starts[node.end_lineno - 1] + node.end_col_offset,  # type: ignore[attr-defined]
        )

    def text(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.source[start:end].decode()

    def put(self, operator: str, node: ast.AST, text: str) -> None:
        self.found.append((node.lineno, operator, Edit(*self.span(node), text)))  # type: ignore[attr-defined]

    def walk(self, node: ast.AST) -> None:
        """Mutate ``node`` and what is in it, except what no test should depend on."""
        if isinstance(node, (ast.JoinedStr, ast.Import, ast.ImportFrom)) or _spoken(node) or _type_only(node):
            return
        method = getattr(self, f"on_{type(node).__name__}", None)
        if method is not None:
            method(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "bases"):
                continue
            children = value if isinstance(value, list) else [value]
            if (
                (type(node), name) in DROPPED_WHOLE
                and len(children) > 1
                and all(child is None or _is_text(child) for child in children)
            ):
                continue
            if name == "body" and children and _is_docstring(children[0]):
                children = children[1:]
            for child in children:
                if isinstance(child, ast.AST) and not _is_docstring(child):
                    self.walk(child)

    # -- conditions --------------------------------------------------------------------------------------------------

    def on_Compare(self, node: ast.Compare) -> None:  # noqa: N802 - named for the node
        for place, (operator, before, after) in enumerate(
            zip(node.ops, [node.left, *node.comparators], node.comparators, strict=False)
        ):
            for other in COMPARED[type(operator)]:
                ops = [*node.ops]
                ops[place] = other()
                sign = ast.unparse(ast.Compare(ast.Name("a"), [other()], [ast.Name("b")]))[2:-2]
                start, end = self.span(before)[1], self.span(after)[0]
                between = self.source[start:end].decode()
                # Brackets around an operand stand between it and the sign.
                old = ast.unparse(ast.Compare(ast.Name("a"), [operator], [ast.Name("b")]))[2:-2]
                self.found.append((node.lineno, "compare", Edit(start, end, between.replace(old, sign, 1))))

    def on_BoolOp(self, node: ast.BoolOp) -> None:  # noqa: N802
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        swapped = f" {'or' if isinstance(node.op, ast.And) else 'and'} ".join(f"({self.text(v)})" for v in node.values)
        self.put("and/or" if isinstance(other, ast.Or) else "or/and", node, f"({swapped})")
        sign = " and " if isinstance(node.op, ast.And) else " or "
        for gone in node.values:
            rest = [f"({self.text(value)})" for value in node.values if value is not gone]
            self.put("condition dropped", node, f"({sign.join(rest)})")

    def on_UnaryOp(self, node: ast.UnaryOp) -> None:  # noqa: N802
        if isinstance(node.op, ast.Not):
            self.put("not dropped", node, f"({self.text(node.operand)})")

    def _negate(self, test: ast.expr) -> None:
        if isinstance(test, ast.UnaryOp) or (isinstance(test, ast.Compare) and len(test.ops) == 1):
            return
        self.put("negated", test, f"(not ({self.text(test)}))")

    def on_If(self, node: ast.If) -> None:  # noqa: N802
        self._negate(node.test)

    on_While = on_If  # noqa: N815

    def on_IfExp(self, node: ast.IfExp) -> None:  # noqa: N802
        self._negate(node.test)

    def on_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._negate(test)
            self.put("filter dropped", test, "True")

    # -- statements --------------------------------------------------------------------------------------------------

    def on_Raise(self, node: ast.Raise) -> None:  # noqa: N802
        self.put("raise dropped", node, "pass")

    def on_Return(self, node: ast.Return) -> None:  # noqa: N802
        if node.value is None:
            self.put("return dropped", node, "pass")
        elif not (isinstance(node.value, ast.Constant) and node.value.value in (None, True, False)):
            self.put("returns nothing", node, "return None")

    def on_Continue(self, node: ast.Continue) -> None:  # noqa: N802
        self.put("continue dropped", node, "pass")

    def on_Break(self, node: ast.Break) -> None:  # noqa: N802
        self.put("break dropped", node, "pass")

    def on_Expr(self, node: ast.Expr) -> None:  # noqa: N802
        if isinstance(node.value, (ast.Yield, ast.YieldFrom)):
            self.put("yield dropped", node, "yield from ()")
        elif not _is_docstring(node):
            self.put("call dropped", node, "pass")

    def on_Delete(self, node: ast.Delete) -> None:  # noqa: N802
        self.put("statement dropped", node, "pass")

    def on_AugAssign(self, node: ast.AugAssign) -> None:  # noqa: N802
        self.put("statement dropped", node, "pass")
        if type(node.op) in COMPUTED:
            other = ast.AugAssign(node.target, COMPUTED[type(node.op)](), node.value)
            self.put("computed", node, ast.unparse(other))

    def on_Assign(self, node: ast.Assign) -> None:  # noqa: N802
        if all(isinstance(target, (ast.Attribute, ast.Subscript)) for target in node.targets):
            self.put("statement dropped", node, "pass")

    # -- values ------------------------------------------------------------------------------------------------------

    def on_BinOp(self, node: ast.BinOp) -> None:  # noqa: N802
        if type(node.op) in COMPUTED and not any(_is_text(side) for side in (node.left, node.right)):
            self.put("computed", node, f"({ast.unparse(ast.BinOp(node.left, COMPUTED[type(node.op)](), node.right))})")

    def on_Constant(self, node: ast.Constant) -> None:  # noqa: N802
        value = node.value
        if isinstance(value, bool):
            self.put("constant", node, str(not value))
        elif isinstance(value, (int, float)):
            self.put("constant", node, repr(value + 1))
        elif isinstance(value, str):
            words = value.split()
            if len(words) > 1 and not value.endswith("."):
                self._words(node, words)
            elif len(words) < 2:
                self.put("constant", node, '"?"' if not value else '""')

    def _words(self, node: ast.Constant, words: list[str]) -> None:
        """A table written as text."""
        start, _ = self.span(node)
        tokens = [token for token in re.finditer(r"[^\s\"']+ ?", self.text(node)) if token[0] not in ("r", "r ")]
        if [token[0].strip() for token in tokens] != words:
            return
        for word, token in zip(words, tokens, strict=True):
            at = start + token.start()
            self.found.append((node.lineno, "word", Edit(at, at + len(token[0]), "")))
            if word.endswith(("=r", "=w")):
                self.found.append((node.lineno, "path kind", Edit(at, at + len(word), word[:-1])))

    def on_Name(self, node: ast.Name) -> None:  # noqa: N802
        if isinstance(node.ctx, ast.Load):
            if node.id in LABELS:
                self._weaken(node, "RiskLabel", LABELS[node.id], f"type({node.id})")
            elif node.id in SWAPPED:
                self.put("swapped", node, SWAPPED[node.id])

    def on_Attribute(self, node: ast.Attribute) -> None:  # noqa: N802
        if isinstance(node.value, ast.Name) and node.value.id in WEAKER and isinstance(node.ctx, ast.Load):
            self._weaken(node, node.value.id, node.attr.lower(), node.value.id)

    def _weaken(self, node: ast.expr, kind: str, member: str, made: str) -> None:
        members = WEAKER[kind]
        if member in members[1:]:
            self.put("label weakened", node, f'{made}("{members[members.index(member) - 1]}")')

    def on_Call(self, node: ast.Call) -> None:  # noqa: N802
        function = node.func
        if isinstance(function, ast.Attribute):
            _, end = self.span(function)
            name = slice(end - len(function.attr), end)
            if function.attr in SWAPPED_METHODS:
                edit = Edit(name.start, name.stop, SWAPPED_METHODS[function.attr])
                self.found.append((function.end_lineno or node.lineno, "swapped", edit))
            elif function.attr in CLEANING_METHODS:
                self.put("cleaning dropped", node, f"({self.text(function.value)})")
        elif isinstance(function, ast.Name) and function.id in CLEANING and node.args:
            self.put("cleaning dropped", node, f"({self.text(node.args[0])})")
        pattern = node.args[0] if node.args else None
        if _of_module(function, "re") and isinstance(pattern, ast.Constant) and isinstance(pattern.value, str):
            for shorter in alternatives_dropped(pattern.value):
                self.put("alternative", pattern, repr(shorter))
        if len(node.args) > 1 and all(_is_text(arg) for arg in node.args):
            self._dropped(node.args)
        for place, keyword in enumerate(node.keywords):
            if keyword.arg and not isinstance(keyword.value, ast.Constant):
                self._one_dropped("keyword", [*node.args, *node.keywords], len(node.args) + place)

    # -- tables ------------------------------------------------------------------------------------------------------

    def _dropped(self, items: list[ast.expr]) -> None:
        for place in range(len(items)):
            self._one_dropped("entry", items, place)

    def _one_dropped(self, operator: str, items: list, place: int) -> None:  # type: ignore[type-arg]
        """Cut one of several items that are parted by commas."""
        start, end = self.span(items[place])
        if place + 1 < len(items):
            end = self.span(items[place + 1])[0]
        elif place:
            start = self.span(items[place - 1])[1]
        self.found.append((items[place].lineno, operator, Edit(start, end, "")))

    def on_Set(self, node: ast.Set) -> None:  # noqa: N802
        if len(node.elts) > 1:
            self._dropped(node.elts)

    def on_List(self, node: ast.List) -> None:  # noqa: N802
        if isinstance(node.ctx, ast.Load):
            self._dropped(node.elts)

    def on_Tuple(self, node: ast.Tuple) -> None:  # noqa: N802
        if isinstance(node.ctx, ast.Load) and len(node.elts) > 2 and all(_is_text(item) for item in node.elts):
            self._dropped(node.elts)
        elif len(node.elts) == 2 and all(_is_text(item) for item in node.elts):
            for item in node.elts:
                self.put("entry", node, f"({self.text(item)},)")

    def on_Dict(self, node: ast.Dict) -> None:  # noqa: N802
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                start, end = self.span(key)[0], self.span(value)[1]
                comma = re.match(rb"\s*,", self.source[end:])
                edit = Edit(start, end + (comma.end() if comma else 0), "")
                self.found.append((key.lineno, "entry", edit))


def alternatives_dropped(pattern: str) -> Iterator[str]:
    """A regular expression without one of its alternatives, for each of them."""
    groups, bounds, at, in_set = [], [[0]], 0, False
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            at += 1
        elif in_set:
            in_set = character != "]"
        elif character == "[":
            in_set = True
            at += pattern.startswith(("[^]", "[]"), at) + pattern.startswith("[^]", at)
        elif character == "(":
            lead = re.match(r"\(\?(?:[:=!]|<[=!]|P<\w+>)", pattern[at:])
            bounds.append([at + (lead.end() if lead else 1)])
        elif character == "|":
            bounds[-1].append(at + 1)
        elif character == ")":
            groups.append((*bounds.pop(), at + 1))
        at += 1
    groups.append((*bounds.pop(), len(pattern) + 1))
    for starts in sorted(groups):
        if len(starts) > 2:
            for place, (start, end) in enumerate(pairwise(starts)):
                last = place == len(starts) - 2
                yield pattern[: start - 1] + pattern[end - 1 :] if last else pattern[:start] + pattern[end:]


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _of_module(function: ast.expr, module: str) -> bool:
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == module


def _spoken(node: ast.AST) -> bool:
    """Texts for people, and log lines."""
    if isinstance(node, ast.keyword):
        return node.arg == "description"
    call = node.value if isinstance(node, ast.Expr) else node
    if not isinstance(call, ast.Call):
        return False
    function = call.func.value if isinstance(call.func, ast.Attribute) else call.func
    return isinstance(function, ast.Name) and function.id in SPOKEN


def _type_only(node: ast.AST) -> bool:
    """What is there for type checkers and importers."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) == "__all__"
    return isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases)
