"""Help pages and usage errors in the user's language: what Typer itself only says in English."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from nextgeneration.cli.errors import UsageWrong
from nextgeneration.cli.options import text
from nextgeneration.cli.usage import argument_name, unknown_command
from nextgeneration.kernel.language import Texts
from nextgeneration.settings.language import user_language

COLUMNS = 100
"""Widest a help page gets."""

LEAST = 20
"""Narrowest column of what is said of an option: below it that goes on lines of its own."""

PANELS = (
    text("Start here", "Pour commencer"),
    text("Missions and approvals", "Missions et accords"),
    text("Agents and what they are made of", "Agents et ce qui les compose"),
    text("This installation", "Cette installation"),
)
"""The sections of the first page, in this order."""

_BOTH = Texts("--json and --jsonl exclude each other.", "--json et --jsonl s'excluent.")
_USAGE = Texts("Usage:", "Emploi :")
_OPTIONS = Texts("Options", "Options")
_OPTIONS_METAVAR = Texts("[OPTIONS]", "[OPTIONS]")
_COMMANDS = Texts("Commands", "Commandes")
_COMMAND_METAVAR = Texts("COMMAND …", "COMMANDE …")
_EXAMPLES = Texts("Examples", "Exemples")
_DEFAULT = Texts("default {value}", "par défaut {value}")
_ATLEAST = Texts("at least {low}", "au moins {low}")
_BETWEEN = Texts("{low} to {high}", "{low} à {high}")
_KINDS = {
    int: Texts("NUMBER", "NOMBRE"),
    float: Texts("NUMBER", "NOMBRE"),
}
_VALUE = Texts("TEXT", "TEXTE")
_TYPERS = {
    "Show this message and exit.": "Montrer cette aide et sortir.",
    "Install completion for the current shell.": "Installer la complétion pour le shell courant.",
    "Show completion for the current shell, to copy it or customize the installation.": (
        "Montrer la complétion du shell courant, pour la copier ou l'adapter."
    ),
}
"""The help texts Typer adds by itself."""


class Command(TyperCommand):
    """A command whose help page is ours. ``epilog`` holds its examples, one a line."""

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write the page."""
        formatter.write("\n".join(_page(self, ctx, ())) + "\n")

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run it.

        Raises:
            UsageWrong: two forms of output are asked for.
        """
        if ctx.params.get("json") and ctx.params.get("jsonl"):
            raise UsageWrong(detail=_BOTH, command=ctx.command_path)
        return super().invoke(ctx)


class Group(TyperGroup):
    """A group of commands whose help page is ours."""

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write the page."""
        formatter.write("\n".join(_page(self, ctx, list(self.commands.items()))) + "\n")

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """Find the command that is named.

        Raises:
            UsageWrong: there is none, with the nearest ones.
        """
        if not ctx.resilient_parsing and not args[0].startswith("-") and args[0] not in self.commands:
            raise unknown_command(args[0], list(self.commands), ctx.command_path)
        return super().resolve_command(ctx, args)


def _page(command: Any, ctx: typer.Context, commands: Sequence[tuple[str, Any]]) -> Iterator[str]:
    width = min(shutil.get_terminal_size().columns, COLUMNS)
    arguments = [p for p in command.params if p.param_type_name == "argument" and not p.hidden]
    options = [p for p in command.get_params(ctx) if p.param_type_name == "option" and not p.hidden]
    names = [argument_name(p) if p.required else f"[{argument_name(p)}]" for p in arguments]
    last = [_COMMAND_METAVAR.say(user_language())] if commands else []
    usage = " ".join([ctx.command_path, *names, _OPTIONS_METAVAR.say(user_language()), *last])
    yield f"{_USAGE.say(user_language())} {usage}"
    if command.help:
        yield ""
        yield from textwrap.wrap(" ".join(command.help.split()), width, initial_indent="  ", subsequent_indent="  ")
    if command.epilog:
        yield from (
            "",
            f"{_EXAMPLES.say(user_language())}:" if user_language() == "en" else f"{_EXAMPLES.say(user_language())} :",
        )
        yield from (f"  {line}" for line in command.epilog.strip().splitlines())
    if commands:
        shown = [(name, c.help or "", c.rich_help_panel or "") for name, c in commands if not c.hidden]
        found = dict.fromkeys(panel for *_, panel in shown)
        for panel in sorted(found, key=lambda panel: PANELS.index(panel) if panel in PANELS else -1):
            rows = [(name, about.split("\n")[0]) for name, about, where in shown if where == panel]
            yield from _section(panel or _COMMANDS.say(user_language()), rows, width)
    if arguments:
        rows = [(argument_name(p), _about(p, ctx)) for p in arguments]
        yield from _section("Arguments", rows, width)
    yield from _section(_OPTIONS.say(user_language()), [(_option_name(p), _about(p, ctx)) for p in options], width)


def _section(title: str, rows: Iterable[tuple[str, str]], width: int) -> Iterator[str]:
    rows = list(rows)
    if not rows:
        return
    yield from ("", f"{title}:" if user_language() == "en" else f"{title} :")
    column = min(max(len(name) for name, _ in rows) + 4, 34)
    if width - column < LEAST:
        column = 6
    for name, about in rows:
        lines = textwrap.wrap(about, max(width - column, LEAST)) or [""]
        if len(name) + 4 > column:
            yield f"  {name}"
        else:
            yield f"{'  ' + name:<{column}}{lines.pop(0)}".rstrip()
        yield from (" " * column + line for line in lines)


def _option_name(parameter: Any) -> str:
    names = ", ".join(sorted((*parameter.opts, *parameter.secondary_opts), key=len))
    if parameter.is_flag:
        return names
    kind = _KINDS.get(parameter.type_descriptor.annotation, _VALUE).say(user_language())
    return f"{names} {parameter.metavar or kind}"


def _about(parameter: Any, ctx: typer.Context) -> str:
    about = parameter.help or ""
    if user_language() == "fr":
        about = _TYPERS.get(about, about)
    notes = []
    default = parameter.get_default(ctx, call=False)
    flag = getattr(parameter, "is_flag", False)
    if default is not None and not flag and str(default) not in {"", "[]", "()"}:
        notes.append(_DEFAULT.say(user_language(), value=default))
    if parameter.min is not None:
        limits = _ATLEAST if parameter.max is None else _BETWEEN
        notes.append(limits.say(user_language(), low=parameter.min, high=parameter.max))
    return f"{about} [{'; '.join(notes)}]" if notes else about
