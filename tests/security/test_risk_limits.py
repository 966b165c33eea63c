"""What is refused rather than asked about, and what a human is shown (A20, A21)."""

import contextlib
from pathlib import Path

import pytest

from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.tools.shell.risk import TooDeep, TooLong, TooManyCommands, judge_argv, judge_line

WORKSPACE = Path("/work/space")


@pytest.mark.parametrize("count", [51, 1000])
def test_too_many_commands_are_refused(count: int) -> None:
    """A long chain is refused, not asked about: nobody reads it (A20)."""
    separators = [";", "&&", "||", "|", "\n", " & "]
    for separator in separators:
        with pytest.raises(TooManyCommands if count < 1000 else TooLong):
            judge_line(separator.join(["ls a.txt"] * count), WORKSPACE)
    assert judge_line(";".join(["ls"] * 50), WORKSPACE).label is RiskLabel.SAFE


@pytest.mark.parametrize("wrap", ["bash -c '{}'", "echo $({})", "({})", "if ls; then {}; fi", "cat <<EOF\n$({})\nEOF"])
def test_hidden_commands_count_too(wrap: str) -> None:
    """Commands inside others are counted."""
    with pytest.raises(TooManyCommands):
        judge_line(wrap.replace("{}", ";".join(["rm x"] * 51)), WORKSPACE)


def test_too_long_lines_are_refused() -> None:
    """Ten kilobytes are the limit, in bytes, for a line and for an argv."""
    assert judge_line("echo " + "a" * 9_990, WORKSPACE).label is RiskLabel.SAFE
    for line in ("echo " + "a" * 10_000, "echo " + "é" * 5_000):
        with pytest.raises(TooLong):
            judge_line(line, WORKSPACE)
        with pytest.raises(TooLong):
            judge_argv([line], WORKSPACE)


@pytest.mark.parametrize(
    "line",
    [
        "(" * 3000 + "ls" + ")" * 3000,
        "echo " + "$(" * 2000,
        "{ " * 3000,
        "`" * 4000,
        "$((" * 3000,
        "[[ " * 3000,
        "if " * 3000,
    ],
)
def test_deep_nesting_neither_passes_nor_crashes(line: str) -> None:
    """Nesting nobody writes is refused or unknown."""
    with contextlib.suppress(TooLong):
        assert judge_line(line, WORKSPACE).label is not RiskLabel.SAFE


def test_shells_in_shells_end() -> None:
    """Lines within lines are followed to a bounded depth."""
    assert judge_line("eval " * 6 + "ls", WORKSPACE).label is RiskLabel.UNKNOWN
    with pytest.raises(TooDeep):
        judge_line("eval " * 12 + "ls", WORKSPACE)


@pytest.mark.parametrize(
    ("argv", "label"),
    [
        (["ls", "-la"], "safe"),
        (["cat", "a; rm x"], "safe"),
        (["cat", "$(rm x)"], "safe"),
        (["cat", "*"], "safe"),
        (["cat", "~/x"], "safe"),
        (["echo", "a > b"], "safe"),
        (["cat", "/etc/passwd"], "unknown"),
        (["cat", "a\rb"], "unknown"),
        (["cat", "a\u200bb"], "unknown"),
        (["rm", "x"], "destructive"),
        (["bash", "-c", "ls; rm x"], "destructive"),
        (["bash", "-c", "ls"], "safe"),
        (["sh", "-c", "ls"], "unknown"),
        (["sudo", "ls"], "privileged"),
        (["FOO=1"], "unknown"),
        (["if"], "unknown"),
        ([""], "unknown"),
        ([], "unknown"),
        (["docker-compose", "up"], "privileged"),
        (["touch", ".git/hooks/x"], "privileged"),
        (["touch", "a b"], "write"),
    ],
)
def test_argv(argv: list[str], label: str) -> None:
    """Without a shell nothing is expanded; the same tables judge."""
    assert judge_argv(argv, WORKSPACE).label is RiskLabel(label)


@pytest.mark.parametrize("folder", [".git", "./.git/hooks", "src/../.git", "/work/space/.git"])
def test_the_folder_a_command_starts_in_counts(folder: str) -> None:
    """A control file has no other name when the command starts in its folder (A23)."""
    assert judge_line("echo x > config", WORKSPACE, folder=folder).label is RiskLabel.PRIVILEGED
    assert judge_argv(["touch", "config"], WORKSPACE, folder=folder).label is RiskLabel.PRIVILEGED
    assert judge_line("echo x > config", WORKSPACE, folder="src").label is RiskLabel.WRITE


def test_french_reasons() -> None:
    """Reasons exist in the reader's language."""
    assert judge_line("rm x", WORKSPACE, "fr").reasons == ("`rm` supprime ou écrase sans retour",)


def test_control_characters_are_shown_as_codes() -> None:
    """What a human is shown before agreeing holds nothing that moves the cursor (A21)."""
    risk = judge_line("touch \x1b[2Ja \u202eb", WORKSPACE)
    assert "\\x1b" in risk.commands[0].argv_text
    assert "\\u202e" in risk.commands[0].argv_text
    assert any("U+202E" in reason for reason in risk.reasons)
