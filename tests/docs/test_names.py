"""What pages tell a reader to type exists: every command with its options, and every setting."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from nextgeneration.cli.main import app
from nextgeneration.services.doctor import groups
from nextgeneration.settings.group import SettingsGroup
from nextgeneration.settings.language import VARIABLES

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/how-to/*.md")])
SETTINGS = set(VARIABLES) | {
    f"{group.model_config['env_prefix']}{name}".upper()
    for group in groups()
    if group is not SettingsGroup
    for name in group.model_fields
}

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@pages
def test_every_command_a_page_names_exists_with_its_options(page):
    text = page.read_text(encoding="utf-8")
    for line in re.findall(r"`(nextgen [^`\n]+)`", text) + re.findall(r"^(?:\$ )?(nextgen .+)$", text, re.MULTILINE):
        command, words = get_command(app), shlex.split(line, comments=True)[1:]
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        # `nextgen credits (show|limits)` and `nextgen templates …` name a group.
        group = hasattr(command, "commands") and words and words[0][0] not in "-(…"
        assert not group, f"{line}: no such command"
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert given <= known | {"--help", "-h"}, f"{line}: {given - known}"


@pages
def test_every_setting_a_page_names_exists(page):
    named = set(re.findall(r"\bNG_[A-Z_]+", page.read_text(encoding="utf-8")))
    assert {name for name in named if name.partition("__")[0].rstrip("_") not in SETTINGS} == set()
