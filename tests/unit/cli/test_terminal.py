"""A person at a terminal: the live tree, the card, the questions, and Ctrl-C."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from nextgeneration.cli import cards
from nextgeneration.cli.voice import Voice

AUDIT = ("--agent", "auditeur_code")
QUESTION = r"\[a\]pprove once  \[e\]dit  \[r\]eject  \[l\]ater > $"
GREEN, RED = "\x1b[32m", "\x1b[31m"


def run(terminal, project, *answers, args=(), **more):
    return terminal.run("run", "check this project", "-w", project, *AUDIT, *args, answers=answers, **more)


def test_the_tree_the_card_and_the_verified_fix(terminal, project):
    code = run(terminal, project, (QUESTION, "a\n"))
    assert code == 0
    assert "├─ ✓ auditeur_code" in terminal.text
    assert "└─ ✓ Change docker-compose.yml" in terminal.text
    assert "Approval needed · risk: write" in terminal.text
    assert f"{RED}-    privileged: true" in terminal.screen
    assert f"{GREEN}+    privileged: false" in terminal.screen
    assert "done and verified" in terminal.text
    assert "privileged: false" in (project / "docker-compose.yml").read_text()


def test_every_word_of_the_answer_counts(terminal, project):
    """What is no answer is asked again; a full word is one."""
    assert run(terminal, project, (QUESTION, "maybe\n"), (QUESTION, "\n"), (QUESTION, "approve\n")) == 0


def test_a_refusal_carries_its_reason(terminal, cli, project):
    assert run(terminal, project, (QUESTION, "r\n"), (r"Why\?.*> $", "too risky\n")) == 4
    assert "refused" in terminal.text
    assert "privileged: true" in (project / "docker-compose.yml").read_text()
    mission = cli("missions", "list", "--json").json[0]["id"]
    assert "too risky" in cli("missions", "show", mission).out


@pytest.mark.parametrize("typed", ["l\n", "\x04"], ids=["later", "end of input"])
def test_later_leaves_the_question_open(terminal, cli, project, typed):
    assert run(terminal, project, (QUESTION, typed)) == 4
    assert "An approval waits for you" in terminal.text
    assert len(cli("approvals", "list", "--json").json) == 1


def test_what_was_typed_before_the_card_is_no_answer(terminal, project):
    """An approval is for what was read: an "a" left in the keyboard's buffer approves nothing."""
    assert run(terminal, project, (QUESTION, "l\n"), ahead="a\n") == 4
    assert "privileged: true" in (project / "docker-compose.yml").read_text()


def test_in_french(terminal, project, monkeypatch):
    monkeypatch.setenv("NG_LANG", "fr")
    question = r"\[a\]ccepter une fois  \[m\]odifier  \[r\]efuser  \[p\]lus tard > $"
    assert run(terminal, project, (question, "oui\n")) == 0
    assert "Accord demandé · risque : écriture" in terminal.text
    assert "faite et vérifiée" in terminal.text


def test_an_answer_given_in_another_terminal_goes_on_here(terminal, project):
    """The question ends by itself, and this process goes on or follows."""

    def elsewhere():
        listed = [sys.executable, "-m", "nextgeneration.cli", "approvals", "list", "--json", "--no-recover"]
        import json

        (approval,) = json.loads(subprocess.run(listed, capture_output=True, check=True).stdout)
        approve = [sys.executable, "-m", "nextgeneration.cli", "approvals", "approve", approval["id"], "--no-run"]
        subprocess.run([*approve, "--no-recover"], capture_output=True, check=True)

    assert run(terminal, project, (QUESTION, elsewhere)) == 0
    assert "Answered elsewhere: approved" in terminal.text
    assert "privileged: false" in (project / "docker-compose.yml").read_text()


def test_ctrl_c_at_the_question_leaves_it_open_and_says_how_to_go_on(terminal, cli, project):
    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)

    assert run(terminal, project, (QUESTION, interrupt)) == 130
    mission = re.search(r"nextgen missions resume (mis_\w+)", terminal.text).group(1)
    facts = cli("missions", "show", mission, "--json").json
    assert facts["status"] == "waiting"
    assert len(facts["pending"]) == 1
    assert terminal.run("missions", "resume", mission, answers=[(QUESTION, "a\n")]) == 0


def test_try_asks_on_a_terminal(terminal):
    assert terminal.run("try", answers=[(QUESTION, "a\n")]) == 0
    assert "for this copy only" not in terminal.text
    assert "approval will be given" not in terminal.text


def test_no_colour_when_it_is_unwanted(terminal, project, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    run(terminal, project, (QUESTION, "l\n"))
    assert "Approval needed" in terminal.text
    assert not re.search(r"\x1b\[[0-9;]*m", terminal.screen)


def test_a_dumb_terminal_gets_plain_lines(terminal, project, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    run(terminal, project, args=("--actions", "0"))
    assert "\x1b" not in terminal.screen
    assert "▸ auditeur_code" in terminal.text


def test_no_input_asks_nothing_on_a_terminal(terminal, project):
    assert run(terminal, project, args=("--no-input",)) == 4
    assert "[a]pprove" not in terminal.text


def test_lists_have_heads_on_a_terminal_and_fit_its_width(terminal, cli):
    assert terminal.run("tools", "list") == 0
    lines = terminal.text.splitlines()
    assert lines[0].split() == ["TOOL", "RISK", "EFFECT", "WHAT", "IT", "DOES"]
    assert max(map(len, lines)) <= 110
    assert not cli("tools", "list").out.startswith("TOOL")


# -- cards ----------------------------------------------------------------------------------------------------------


class Asked:
    """An approval as the cards read it."""

    id = "apr_1"
    expires_at = "2026-11-28T13:01:02Z"
    status = "pending"
    decided_by = None

    def __init__(self, **card):
        preview = {"title": "shell.run", "body": "$ rm -rf build\n", "kind": "command"}
        call = {"tool": "shell.run", "reasons": ["removes files"], "conditions": {"confinement": "none"}}
        base = {"label": "destructive", "agent": "eve", "why": "to make room", "calls": [call | {"preview": preview}]}
        self.card = base | card


def card(approval, lang="en"):
    voice = Voice(lang=lang)
    return "\n".join(cards.card_lines(approval, voice, voice.err))


def test_a_command_is_shown_exactly_with_its_risk_and_conditions(capsys):
    text = card(Asked())
    for words in ("risk: destructive", "eve asks: to make room", "removes files", "confinement = none"):
        assert words in text
    assert "  $ rm -rf build" in text.splitlines()


def test_what_a_call_costs_stands_on_its_card(capsys):
    approval = Asked()
    assert "credits" not in card(approval)
    approval.card["calls"][0]["credits"] = 1_500_000
    assert "costs 1.5 credits" in card(approval).splitlines()
    assert "coûte 1.5 crédits" in card(approval, "fr").splitlines()


def test_nothing_on_a_card_moves_the_cursor_or_hides(capsys):
    preview = {"title": "run\x1b[2K", "body": "echo \u202etxt\n\x1b[1Aecho ok\n", "kind": "command"}
    call = {"tool": "shell.run", "preview": preview}
    text = card(Asked(why="good\x07\n\x1b[8mreason", calls=[call, call]))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", text)
    assert "\\x1b[1Aecho ok" in text
    assert "\\u202e" in text


def test_what_a_card_leaves_out_is_said_and_can_be_seen(capsys):
    """A long preview is cut where a person is asked; every line of every call can be read elsewhere."""
    lines = [f"+line {number}" for number in range(300)]
    calls = [
        {"tool": "fs.patch", "label": "write", "preview": {"title": name, "body": "\n".join(lines), "kind": "diff"}}
        for name in ("one", "two")
    ]
    approval = Asked(calls=calls)
    text = card(approval)
    assert text.count(f"100 more lines, covered too: nextgen approvals show {approval.id}") == 2
    assert text.count("+line 199") == 2
    assert "+line 200" not in text
    voice = Voice(lang="en")
    whole = "\n".join(cards.card_lines(approval, voice, voice.out, limit=None))
    assert whole.count("+line 299") == 2
    assert "more lines" not in whole
    assert "call 1 of 2, risk: write" in whole
    assert "fs.patch: two" in whole


@pytest.mark.parametrize(
    ("lang", "typed", "verdict"),
    [("en", "r", "retry"), ("en", "d", "done"), ("en", "f", "fail"), ("fr", "c", "fail"), ("fr", "déjà fait", "done")],
)
def test_a_call_in_doubt_has_its_own_answers(lang, typed, verdict):
    master, slave = os.openpty()
    with open(slave, encoding="utf-8", closefd=False) as into, open(os.devnull, "w") as err:
        voice = Voice(lang=lang, into=into, err=err)

        async def current():
            return Asked()

        threading.Timer(0.3, lambda: os.write(master, f"{typed}\n".encode())).start()
        answer = asyncio.run(cards.ask(Asked(kind="in_doubt"), voice, current))
    os.close(slave)
    os.close(master)
    assert answer.verdict == verdict
    assert card(Asked(kind="in_doubt"), lang).startswith("── In doubt" if lang == "en" else "── Doute")


def test_a_loop_that_watches_no_terminal_reads_in_a_thread(monkeypatch):
    """Windows."""
    read, write = os.pipe()
    os.write(write, b"a\n")

    async def typed(stream):
        loop = asyncio.get_running_loop()

        def refuse(*_args):
            raise NotImplementedError

        monkeypatch.setattr(loop, "add_reader", refuse)
        return await cards._typed(stream)

    with os.fdopen(read, encoding="utf-8") as stream:
        assert asyncio.run(typed(stream)) == "a\n"
    os.close(write)


def test_a_terminal_that_goes_away_is_the_end_of_input():
    master, slave = os.openpty()
    with os.fdopen(slave, encoding="utf-8") as stream:
        threading.Timer(0.2, os.close, (master,)).start()
        assert asyncio.run(cards._typed(stream)) is None
