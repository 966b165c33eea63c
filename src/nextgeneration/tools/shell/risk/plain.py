"""Our own reader of the plain part of bash: a second opinion on what tree-sitter says.

It knows simple commands, lists, pipelines, groups, subshells, ``if``, ``for``, ``while``, ``until``,
redirections, here-documents, quotes, variables and command substitution, and gives up on everything
else. A line is only trusted when both readers found the same words in the same places; one parser
that disagrees with the shell is how allow-lists were dodged elsewhere.
"""

from __future__ import annotations

import re

from nextgeneration.tools.shell.risk.script import Command, Reading, Redirect
from nextgeneration.tools.shell.risk.words import BLANKS, NotPlain, Word, natural, scan_word

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_ODD_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^\]]*\]\+?=|\+=)")
_OPERATOR = re.compile(r"&>>|<<<|<<-|&&|\|\||;;|\|&|>>|>&|<&|<<|<>|>\||&>|[;&|<>()]")
_REDIRECT = re.compile(r"(?:\d+(?!&))?(&>>|<<<|<<-|>>|>&|<&|<<|<>|>\||&>|[<>])(?!\()")
_RESERVED = {"then", "do", "done", "fi", "elif", "else", "}"}
_UNMODELLED = {"case", "select", "function", "coproc", "[[", "in", "esac", "]]"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DESCRIPTOR = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
MAX_DEPTH = 50


def read_plain(source: str) -> Reading:
    """The commands of ``source`` (Latin-1 over UTF-8).

    Raises:
        NotPlain: it is not of the plain part, or no valid bash at all.
    """
    reader = _Plain(source)
    reader.list_until(())
    if reader.at < len(source):
        raise NotPlain(source[reader.at])
    if reader.documents:
        raise NotPlain("<<")
    return reader.reading


class _Plain:
    """A recursive-descent reader; ``at`` is its place in the line."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.depth = 0
        self.reading = Reading()
        self.documents: list[tuple[Redirect, str, bool, bool]] = []

    def list_until(self, closers: tuple[str, ...]) -> int:
        """Commands up to one of ``closers`` (left unread) or the end; returns how many there were."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise NotPlain("(…)")
        count = 0
        while True:
            self._newlines()
            if self.at >= len(self.source) or self._closes(closers):
                self.depth -= 1
                return count
            self._and_or()
            count += 1
            self._blanks()
            operator = self._operator()
            if operator in (";", "&"):
                self.at += 1
                self.reading.background |= operator == "&"
            elif operator != "\n" and not self._ended(closers):
                raise NotPlain(operator or self.source[self.at : self.at + 1])

    def _ended(self, closers: tuple[str, ...]) -> bool:
        return self.at >= len(self.source) or self._closes(closers)

    def _closes(self, closers: tuple[str, ...]) -> bool:
        return any(self._peek_word() == c if c != ")" else self.source[self.at] == ")" for c in closers)

    def _and_or(self) -> None:
        self._pipeline()
        while True:
            self._blanks()
            if self._operator() not in ("&&", "||"):
                return
            self.at += 2
            self._newlines()
            self._pipeline()

    def _pipeline(self) -> None:
        self._blanks()
        if self._peek_word() == "!":
            self.at += 1
            self._blanks()
        fed: tuple[Command, ...] = ()
        while True:
            first = len(self.reading.commands)
            self._command()
            for command in self.reading.commands[first:]:
                command.fed = (*fed, *command.fed)
            fed = (*fed, *self.reading.commands[first:])
            self._blanks()
            operator = self._operator()
            if operator not in ("|", "|&"):
                return
            self.at += len(operator)
            self._newlines()

    def _command(self) -> None:
        self._blanks()
        word = self._peek_word()
        if word in _UNMODELLED or word in _RESERVED or word == "!":
            raise NotPlain(word)
        if self.source.startswith("((", self.at):
            raise NotPlain("((…))")
        if self.source.startswith("(", self.at):
            self._enclosed("(", ")")
        elif word == "{":
            self._enclosed("{", "}")
        elif word == "if":
            self._if()
        elif word in ("while", "until"):
            self._take(word)
            self._body("do")
            self._body_after("do", ("done",))
            self._take("done")
        elif word == "for":
            self._for()
        else:
            self._simple()
            return
        trailing = Command(self.at)
        while self._redirect(trailing):
            pass
        if trailing.redirects:
            self.reading.commands.append(trailing)

    def _enclosed(self, opener: str, closer: str) -> None:
        self.at += len(opener)
        if self.list_until((closer,)) == 0:
            raise NotPlain(opener + closer)
        self._take(closer)

    def _if(self) -> None:
        self._take("if")
        self._body("then")
        self._body_after("then", ("elif", "else", "fi"))
        while self._peek_word() == "elif":
            self._take("elif")
            self._body("then")
            self._body_after("then", ("elif", "else", "fi"))
        if self._peek_word() == "else":
            self._body_after("else", ("fi",))
        self._take("fi")

    def _for(self) -> None:
        self._take("for")
        self._blanks()
        match = _NAME.match(self.source, self.at)
        if not match:
            raise NotPlain("for")
        loop = Command(self.at, loop=match[0])
        self.at = match.end()
        self._blanks()
        self._take("in")
        while True:
            self._blanks()
            if self.at >= len(self.source) or self.source[self.at] in ";\n":
                break
            if self._operator():
                raise NotPlain("for")
            loop.words.append(self._word())
        self.reading.commands.append(loop)
        if self.source.startswith(";", self.at):
            self.at += 1
        self._newlines()
        self._body_after("do", ("done",))
        self._take("done")

    def _body(self, closer: str) -> None:
        if self.list_until((closer,)) == 0:
            raise NotPlain(closer)

    def _body_after(self, opener: str, closers: tuple[str, ...]) -> None:
        self._take(opener)
        if self.list_until(closers) == 0:
            raise NotPlain(opener)

    def _take(self, text: str) -> None:
        """Step over a closing parenthesis or a reserved word."""
        self._blanks()
        found = self.source.startswith(")", self.at) if text == ")" else self._peek_word() == text
        if not found:
            raise NotPlain(text)
        self.at += len(text)

    def _simple(self) -> None:
        command = Command(self.at)
        while True:
            self._blanks()
            if self.at >= len(self.source) or self.source[self.at] == "\n":
                break
            if self._redirect(command):
                continue
            if self._operator():
                break
            if not command.words and _ODD_ASSIGNMENT.match(self.source, self.at):
                raise NotPlain("x[…]=")
            match = None if command.words else _ASSIGNMENT.match(self.source, self.at)
            if match:
                self.at = match.end()
                command.assigns.append((match[1], self._word()))
            else:
                command.words.append(self._word())
        if self.source.startswith("(", self.at):
            raise NotPlain("…()")
        if not command.words and not command.assigns and not command.redirects:
            raise NotPlain(self.source[self.at : self.at + 2])
        self.reading.commands.append(command)

    def _redirect(self, command: Command) -> bool:
        """One redirection when there is one here."""
        self._blanks()
        match = _REDIRECT.match(self.source, self.at)
        if not match:
            return False
        self.at = match.end()
        operator = match[1]
        self._blanks()
        if self.at >= len(self.source) or self._operator() or self.source[self.at] == "\n":
            raise NotPlain(operator)
        word = self._word()
        if operator in (">&", "<&") and word.raw.startswith("-") and word.raw != "-":
            # bash takes the dash alone and leaves the rest as a word of the command.
            raise NotPlain(operator + "-…")
        redirect = Redirect(operator, word)
        command.redirects.append(redirect)
        if operator in ("<<", "<<-"):
            if not word.literal:
                raise NotPlain(operator)
            redirect.word = None
            delimiter = "".join(part.text for part in word.parts)
            self.documents.append((redirect, delimiter, any(p.quoted for p in word.parts), operator == "<<-"))
        return True

    def _word(self) -> Word:
        word = scan_word(self.source, self.at, self._substitution)
        self.at = word.end
        if self.source.startswith("(", self.at):
            raise NotPlain("…(")
        if self.source.startswith(("<", ">"), self.at) and _DESCRIPTOR.fullmatch(word.raw):
            raise NotPlain("{…}>")
        if self.source.startswith(("<(", ">("), self.at):
            raise NotPlain("<(…)")
        return word

    def _substitution(self, at: int) -> int:
        """Commands between ``$(`` and its parenthesis."""
        self.at = at
        if self.list_until((")",)) == 0:
            raise NotPlain("$()")
        self._take(")")
        return self.at

    def _peek_word(self) -> str:
        """The unquoted word here, or nothing when it is not one."""
        end = self.at
        while end < len(self.source) and self.source[end] not in " \t\n|&;()<>":
            end += 1
        return self.source[self.at : end]

    def _operator(self) -> str:
        if self.source.startswith("\n", self.at):
            return "\n"
        match = _OPERATOR.match(self.source, self.at)
        return match[0] if match else ""

    def _blanks(self) -> None:
        """Step over blanks, joined lines and a comment."""
        source = self.source
        while self.at < len(source):
            if source[self.at] in BLANKS:
                self.at += 1
            elif source.startswith("\\\n", self.at):
                self.at += 2
            else:
                break
        if source.startswith("#", self.at) and (self.at == 0 or source[self.at - 1] in " \t\n;&|()"):
            end = source.find("\n", self.at)
            self.at = len(source) if end < 0 else end

    def _newlines(self) -> None:
        self._blanks()
        while self.source.startswith("\n", self.at):
            self.at += 1
            for document in self.documents:
                self._document(*document)
            self.documents.clear()
            self._blanks()

    def _document(self, redirect: Redirect, delimiter: str, raw: bool, tabs: bool) -> None:
        """The text of a here-document, up to its delimiter on a line of its own."""
        lines: list[str] = []
        while True:
            if self.at >= len(self.source):
                raise NotPlain("<<")
            end = self.source.find("\n", self.at)
            end = len(self.source) if end < 0 else end
            line = self.source[self.at : end]
            line = line.lstrip("\t") if tabs else line
            self.at = min(end + 1, len(self.source))
            if natural(line) == delimiter:
                break
            lines.append(line)
        text = "\n".join(lines)
        if not raw and any(c in text for c in "$`\\"):
            raise NotPlain("<<")
        redirect.text = natural(text)
