"""Write the reference pages of docs/reference from the code: errors, settings, commands, tools.

``python scripts/reference.py`` writes them; ``--check`` exits 1 when one is not current.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["NG_LANG"] = "en"
FOLDER = Path(__file__).parent.parent / "docs" / "reference"


def errors() -> str:
    from nextgeneration.services.catalogue import all_errors, explained

    lines = ["# Error codes", "", "`nextgen explain CODE` says the same, in English or French.", ""]
    for code in all_errors():
        facts = explained(code, "en")
        lines += [
            f"## {code}",
            "",
            facts["title"],
            "",
            f"- says: {_plain(facts['what'])}",
            f"- to mend it: {_plain(facts['mend'])}",
        ]
        lines += [f"- exit code {facts['exit_code']}" + (", trying again may help" if facts["retryable"] else ""), ""]
    return "\n".join(lines)


def settings() -> str:
    from pydantic_settings import BaseSettings

    import nextgeneration.settings as room
    from nextgeneration.settings.language import VARIABLES
    from nextgeneration.settings.traces import STANDARD

    lines = ["# Settings", "", "Every setting is an environment variable. Lists and tables are JSON.", ""]
    for module_info in pkgutil.iter_modules(room.__path__):
        module = importlib.import_module(f"nextgeneration.settings.{module_info.name}")
        for cls in vars(module).values():
            if not (
                isinstance(cls, type)
                and issubclass(cls, BaseSettings)
                and cls.__module__ == module.__name__
                and cls.model_fields
            ):
                continue
            lines += [f"## {(cls.__doc__ or cls.__name__).splitlines()[0].rstrip('.')}", ""]
            prefix = str(cls.model_config.get("env_prefix", ""))
            for name, field in cls.model_fields.items():
                lines += [f"### `{prefix}{name}`".upper().replace("### `", "### `"), "", f"{field.description}.", ""]
                lines += [f"Default: {_default(field)}", ""]
    for title, variables in (("OpenTelemetry's own", STANDARD), ("Language and terminal", VARIABLES)):
        lines += [f"## {title}", ""]
        for name, text in variables.items():
            lines += [f"### `{name}`", "", f"{text}.", ""]
    return "\n".join(lines)


def _default(field: Any) -> str:
    if field.default_factory is not None:
        return (
            "`~/.nextgen`"
            if "home" in (field.description or "") or "folder" in (field.description or "")
            else "computed"
        )
    value = field.default
    if isinstance(value, Path):
        value = value.as_posix()
    return "none" if value in (None, "") else f"`{value}`"


def commands() -> str:
    import typer.main

    from nextgeneration.cli.main import app

    lines = ["# Commands", "", *_exit_codes()]
    for path, command in _walk(typer.main.get_command(app), "nextgen"):
        lines += [f"## `{path}`", "", (command.help or "").split("\n\n")[0], ""]
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
        for parameter in arguments:
            name = (parameter.metavar or parameter.name or "").strip("[]").upper()
            lines.append(f"- `{name}`: {getattr(parameter, 'help', '') or ''}")
        for parameter in options:
            names = ", ".join((*parameter.opts, *parameter.secondary_opts))
            default = parameter.default
            shown = (
                f" (default `{default}`)"
                if isinstance(default, (int, float, str)) and not isinstance(default, bool) and default != ""
                else ""
            )
            lines.append(f"- `{names}`: {getattr(parameter, 'help', '') or ''}{shown}")
        lines.append("")
    return "\n".join(lines)


def _exit_codes() -> list[str]:
    table = {
        "0": "ok",
        "1": "failed",
        "2": "usage",
        "3": "findings at or above `--fail-on`",
        "4": "approval pending or refused",
        "5": "not allowed",
        "6": "budget exhausted",
        "7": "no model reachable where one is required",
        "130": "interrupted",
    }
    rows = [f"| {code} | {meaning} |" for code, meaning in table.items()]
    return ["Exit codes; if several apply: 130, 1, 5, 7, 6, 4, 3.", "", "| code | meaning |", "|---|---|", *rows, ""]


def _walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    subcommands = getattr(command, "commands", None)
    if not subcommands:
        yield path, command
        return
    for name, sub in subcommands.items():
        yield from _walk(sub, f"{path} {name}")


def tools() -> str:
    from nextgeneration.services.parts import toolbox

    lines = ["# Tools", "", "`nextgen tools show NAME` prints the schemas.", ""]
    box = toolbox()
    for name in box:
        spec = box[name].spec
        also = f" Also called {', '.join(f'`{alias}`' for alias in spec.aliases)}." if spec.aliases else ""
        lines += [f"## `{name}`", "", f"{spec.summary.en}{also}", ""]
        lines += [f"Risk `{spec.risk.value}`, effect `{spec.effect.value}`, time limit {spec.seconds:g} s.", ""]
        for argument, schema in spec.args.model_json_schema().get("properties", {}).items():
            kind = (
                schema.get("type")
                or "/".join(str(o.get("type", "object")) for o in schema.get("anyOf", []))
                or "object"
            )
            default = f", default `{schema['default']}`" if schema.get("default") not in (None, "", [], {}) else ""
            about = f": {schema['description']}" if schema.get("description") else ""
            lines.append(f"- `{argument}` ({kind}{default}){about}")
        lines.append("")
    return "\n".join(lines)


def _plain(text: str) -> str:
    return text.replace("<", "‹").replace(">", "›")


PAGES = {"errors.md": errors, "settings.md": settings, "commands.md": commands, "tools.md": tools}


def pages() -> dict[Path, str]:
    """Each page's path and the text it should have."""
    return {FOLDER / name: make().rstrip() + "\n" for name, make in PAGES.items()}


def main() -> int:
    stale = []
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for path in stale:
        print(("stale: " if "--check" in sys.argv else "written: ") + str(path))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
