"""What tree-sitter's bash grammar makes of a line.

The wide reader: it finds the commands in every construct of the language, also in those that are
not modelled further, so that a risk inside them raises the label. It is never the only reason to
call a line safe (see :mod:`~nextgeneration.tools.shell.risk.plain`).
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nextgeneration.tools.shell.errors_risk import TooDeep
from nextgeneration.tools.shell.risk.listed import listed
from nextgeneration.tools.shell.risk.script import Binding, Command, Reading, Redirect
from nextgeneration.tools.shell.risk.words import BLANKS, NotPlain, Part, Word, natural, scan_word

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

MAX_DEPTH = 200
_PLAIN_LEAVES = listed(
    "word number raw_string ansi_c_string string_content variable_name special_variable_name comment"
)
_TRANSPARENT = {
    "program", "list", "subshell", "if_statement", "elif_clause", "else_clause", "while_statement",
    "do_group", "negated_command", "command_substitution", "string", "concatenation", "command_name",
    "simple_expansion",
    "word", "number", "raw_string", "ansi_c_string", "variable_assignments",
    # Parts of constructs that were named already.
    "case_item", "unary_expression", "binary_expression", "postfix_expression", "ternary_expression", "test_operator",
    "parenthesized_expression", "regex", "extglob_pattern",
}  # fmt: skip
_CONSTRUCTS = {
    "process_substitution": "<(…)", "arithmetic_expansion": "$((…))", "expansion": "${…}", "brace_expression": "{..}",
    "case_statement": "case", "c_style_for_statement": "for ((…))", "function_definition": "…()", "array": "…=(…)",
    "subscript": "…[…]", "translated_string": '$"…"', "test_command": "[[…]]", "ERROR": "?",
}  # fmt: skip
# The grammar's scanner asks the C library about characters far outside its tables, which can end the process. To bash
# such characters are parts of words and of nothing else, as is the stand-in; what a word says is read from the source.
_STAND_IN = bytes(byte if byte < 0x80 else ord(".") for byte in range(256))
_QUOTING = re.compile(r"[\"'\\]")


@lru_cache(maxsize=1)
def _parser() -> Parser:
    """Loaded on first use: importing the grammar takes longer than judging a thousand lines."""
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


def read_tree(data: bytes, source: str) -> Reading:
    """The commands of a line.

    Args:
        data: the line in UTF-8.
        source: the same bytes as Latin-1.

    Raises:
        TooDeep: it is nested too deep to be followed.
    """
    tree = _parser().parse(data.translate(_STAND_IN))
    walk = _Walk(source)
    if tree.root_node.has_error:
        walk.reading.constructs.append("?")
    walk.visit(tree.root_node, 0)
    walk.bind()
    return walk.reading


class _Walk:
    """One visit of a tree."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.reading = Reading()
        self.assigned: Counter[str] = Counter()
        self.straight: dict[str, Binding] = {}

    def bind(self) -> None:
        """Keep the bindings whose variable nothing else in the line sets."""
        self.reading.bindings = {name: b for name, b in self.straight.items() if self.assigned[name] == 1}

    def construct(self, name: str) -> None:
        if name not in self.reading.constructs:
            self.reading.constructs.append(name)

    def visit(self, node: Node, depth: int) -> None:
        """Dispatch on the kind of ``node``."""
        if depth > MAX_DEPTH:
            raise TooDeep(limit=MAX_DEPTH)
        method: Any = getattr(self, f"on_{node.type}", None) if node.is_named else None
        if method is not None:
            method(node, depth)
            return
        if node.is_missing:
            self.construct("?")
        if node.type == "&":
            self.reading.background = True
        elif node.is_named and node.type not in _TRANSPARENT and node.type not in _PLAIN_LEAVES:
            self.construct(_CONSTRUCTS.get(node.type, node.type.replace("_", " ")))
        self._children(node, depth)

    def _children(self, node: Node, depth: int) -> None:
        if node.child_count:
            for child in node.children:
                self.visit(child, depth + 1)

    def on_command(self, node: Node, depth: int) -> None:
        command = Command(node.start_byte)
        place = len(self.reading.commands)
        self.reading.commands.append(command)
        for child in node.children:
            kind = child.type
            if kind == "variable_assignment":
                self._assign(child, command, depth)
            elif kind.endswith("_redirect"):
                self._redirected(child, command, depth)
            elif kind != "comment":
                command.words.append(self._word(child, depth))
        if not command.words and not command.assigns and not command.redirects:
            del self.reading.commands[place]

    def _spread(self, node: Node, depth: int) -> None:
        """A command that the grammar takes apart but that is read as plain words (``export``, ``[``)."""
        command = Command(node.start_byte)
        self.reading.commands.append(command)
        at = node.start_byte
        ends = {child.start_byte: child.end_byte for child in _substitutions(node)}
        try:
            while at < node.end_byte:
                if self.source[at] in BLANKS:
                    at += 1
                    continue
                word = scan_word(self.source, at, lambda start: ends[start - 2])
                if word.end == at:
                    raise NotPlain(self.source[at])
                command.words.append(word)
                at = word.end
        except (NotPlain, KeyError):
            self.construct(self.source[node.start_byte : node.end_byte].split(" ")[0])
        for child in node.children:
            if child.is_named:
                for inner in _substitutions(child):
                    self.visit(inner, depth + 1)

    on_declaration_command = _spread
    on_unset_command = _spread

    def on_test_command(self, node: Node, depth: int) -> None:
        if self.source.startswith("[[", node.start_byte) or not self.source.startswith("[", node.start_byte):
            self.construct("[[…]]")
            self._children(node, depth)
        else:
            self._spread(node, depth)

    def on_variable_assignment(self, node: Node, depth: int) -> None:
        """An assignment that is a statement of its own."""
        command = Command(node.start_byte)
        self.reading.commands.append(command)
        parent = node.parent
        top = parent is not None and parent.type == "program"
        self._assign(node, command, depth, straight=top)

    def on_variable_assignments(self, node: Node, depth: int) -> None:
        command = Command(node.start_byte)
        self.reading.commands.append(command)
        for child in node.children:
            self._assign(child, command, depth)

    def _assign(self, node: Node, command: Command, depth: int, *, straight: bool = False) -> None:
        name_node, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        name = natural(self.source[name_node.start_byte : name_node.end_byte]) if name_node else "?"
        self.assigned[name] += 1
        if name_node is None or name_node.type != "variable_name" or (value is not None and value.type == "array"):
            self.construct("…=(…)")
            self._children(node, depth)
        word = self._word(value, depth) if value else Word(node.end_byte, node.end_byte, "", ())
        command.assigns.append((name, word))
        self.reading.guesses[name] = word
        if self.source[node.start_byte : word.start].endswith("+="):
            self.assigned[name] += 1
            self.construct("+=")
        elif straight:
            self.straight[name] = Binding((word,), node.end_byte, len(self.source))

    def on_for_statement(self, node: Node, depth: int) -> None:
        variable, body = node.child_by_field_name("variable"), node.child_by_field_name("body")
        if variable is None or body is None or node.children[0].type != "for":
            self.construct(node.children[0].type)
            self._children(node, depth)
            return
        name = self.source[variable.start_byte : variable.end_byte]
        self.assigned[name] += 1
        values = [self._word(value, depth) for value in node.children_by_field_name("value")]
        if not any(child.type == "in" for child in node.children):
            self.construct("for")
        self.reading.commands.append(Command(variable.start_byte, words=values, loop=name))
        self.straight[name] = Binding(tuple(values), body.start_byte, body.end_byte)
        self.visit(body, depth + 1)

    def on_function_definition(self, node: Node, depth: int) -> None:
        name = node.child_by_field_name("name")
        first = len(self.reading.commands)
        self.construct("…()")
        self._children(node, depth)
        text = self.source[name.start_byte : name.end_byte] if name else ""
        if any(c.words and c.words[0].raw == text for c in self.reading.commands[first:]):
            self.reading.recursive.add(natural(text))

    def on_compound_statement(self, node: Node, depth: int) -> None:
        if node.children and node.children[0].type != "{":
            self.construct("((…))")
        self._children(node, depth)

    def on_pipeline(self, node: Node, depth: int) -> None:
        first = len(self.reading.commands)
        for child in node.children:
            before = tuple(self.reading.commands[first:])
            size = len(self.reading.commands)
            self.visit(child, depth + 1)
            for command in self.reading.commands[size:]:
                command.fed = (*before, *command.fed)

    def on_redirected_statement(self, node: Node, depth: int) -> None:
        first = len(self.reading.commands)
        redirects = [child for child in node.children if child.type.endswith("_redirect")]
        for child in node.children:
            if not child.type.endswith("_redirect"):
                self.visit(child, depth + 1)
        body = node.child_by_field_name("body")
        commands = self.reading.commands[first:]
        kind = body.type if body is not None and commands else ""
        if kind in ("command", "test_command", "declaration_command", "unset_command"):
            command = commands[0]
        elif kind in ("list", "pipeline"):
            # The grammar hangs a redirection of the last command on the whole list.
            command = max((c for c in commands if c.start <= redirects[0].start_byte), key=lambda c: c.start)
        else:
            command = Command(redirects[0].start_byte)
            self.reading.commands.append(command)
        for child in redirects:
            self._redirected(child, command, depth, tuple(commands))

    def on_file_redirect(self, node: Node, depth: int) -> None:
        """A redirection on its own: ``$(<file)``."""
        command = Command(node.start_byte)
        self.reading.commands.append(command)
        self._redirected(node, command, depth)

    def _redirected(self, node: Node, command: Command, depth: int, feeds: tuple[Command, ...] = ()) -> None:
        """Add one redirection to ``command``."""
        if node.type == "heredoc_redirect":
            self._here_document(node, command, depth, feeds)
            return
        operator = next((c.type for c in node.children if not c.is_named and c.type not in ("&", "|")), ">")
        targets = [c for c in node.children if c.is_named and c.type not in ("file_descriptor", "variable_name")]
        if operator in (">&-", "<&-"):
            start = node.children[-1].end_byte - 1
            command.redirects.append(Redirect(operator[:2], Word(start, start + 1, "-", (Part("text", "-", False),))))
        for index, target in enumerate(targets):
            word = self._word(target, depth)
            if index:
                # The grammar gives words after the target of a redirection to the redirection.
                command.words.append(word)
            else:
                command.redirects.append(Redirect(operator, word))

    def _here_document(self, node: Node, command: Command, depth: int, feeds: tuple[Command, ...]) -> None:
        operator = node.children[0].type
        text = ""
        for child in node.children:
            if child.type == "heredoc_body":
                text = natural(self.source[child.start_byte : child.end_byte])
                if child.child_count:
                    for inner in _substitutions(child):
                        self.construct("<<")
                        self.visit(inner, depth + 1)
            elif child.type.endswith("_redirect"):
                self._redirected(child, command, depth)
            elif child.type == "pipeline":
                size = len(self.reading.commands)
                self._children(child, depth)
                for later in self.reading.commands[size:]:
                    later.fed = (*feeds, *later.fed)
            elif child.type in ("heredoc_start", "heredoc_end"):
                continue
            elif child.is_named and child.type in _PLAIN_LEAVES | {"string", "concatenation", "simple_expansion"}:
                command.words.append(self._word(child, depth))
            else:
                self.visit(child, depth + 1)
        command.redirects.append(Redirect(operator, None, text))

    def _word(self, node: Node, depth: int) -> Word:
        """A word where the grammar sees one; its inside is read by the same rules as everywhere."""
        start, end = node.start_byte, node.end_byte
        simple = node.type in _PLAIN_LEAVES
        ends = {} if simple else {child.start_byte: child.end_byte for child in _substitutions(node)}
        if not simple:
            for child in node.children:
                self.visit(child, depth + 1)
        try:
            word = scan_word(self.source, start, lambda at: ends[at - 2])
        except NotPlain as odd:
            self.construct(odd.construct)
        except KeyError:
            self.construct("$(…)")
        else:
            if word.end == end:
                return word
            self.construct(natural(self.source[start:end]))
        raw = natural(self.source[start:end])
        return Word(start, end, raw, (Part("text", _QUOTING.sub("", raw), False), Part("dark", "", False)))


def _substitutions(node: Node) -> list[Node]:
    """The outermost command and process substitutions inside ``node``."""
    found: list[Node] = []
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if current.type in ("command_substitution", "process_substitution"):
            found.append(current)
        elif current.child_count:
            waiting.extend(current.children)
    return found
