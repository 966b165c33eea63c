"""What a reader makes of a line: its simple commands, in the order they stand there."""

from __future__ import annotations

from dataclasses import dataclass, field

from nextgeneration.tools.shell.risk.words import Word


@dataclass(slots=True)
class Redirect:
    """One redirection: its operator, and its target or the text of its here-document."""

    operator: str
    word: Word | None = None
    text: str | None = None


@dataclass(slots=True)
class Command:
    """One simple command; a ``for`` loop's list of values counts as one, with ``loop`` as its variable."""

    start: int
    words: list[Word] = field(default_factory=list)
    assigns: list[tuple[str, Word]] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)
    loop: str = ""
    fed: tuple[Command, ...] = ()
    """Commands whose output is this one's input."""

    @property
    def shape(self) -> tuple[object, ...]:
        """What two readers must agree on."""
        return (
            self.loop,
            tuple((word.start, word.end) for word in self.words),
            tuple((name, word.start, word.end) for name, word in self.assigns),
            sorted((r.operator, r.word.start if r.word else -1, (r.text or "").rstrip("\n")) for r in self.redirects),
        )


@dataclass(frozen=True, slots=True)
class Binding:
    """A variable with known values, for commands that stand between ``since`` and ``until``."""

    values: tuple[Word, ...]
    since: int
    until: int


@dataclass(slots=True)
class Reading:
    """What one reader found.

    Attributes:
        commands: all simple commands, nested ones too.
        constructs: what was met that cannot be modelled, as shown to people.
        bindings: variables that are set exactly once in the line, where nothing can skip it.
        guesses: the last text each variable is set to anywhere, good for raising a label only.
        background: whether something is left running.
        recursive: names of functions that call themselves.
    """

    commands: list[Command] = field(default_factory=list)
    constructs: list[str] = field(default_factory=list)
    bindings: dict[str, Binding] = field(default_factory=dict)
    guesses: dict[str, Word] = field(default_factory=dict)
    background: bool = False
    recursive: set[str] = field(default_factory=set)

    @property
    def shape(self) -> list[tuple[object, ...]]:
        """What two readers must agree on, in the order of the line."""
        shapes = [command.shape for command in sorted(self.commands, key=lambda c: c.start)]
        return [shape for shape in shapes if any(shape)]
