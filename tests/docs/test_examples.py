"""Examples are executed: the tutorial's commands in order, the how-to's Python as it stands."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
NEXTGEN = Path(sys.executable).with_name("nextgen")


def blocks(page, language):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.slow
def test_the_tutorial_works_as_written(tmp_path, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (tmp_path / "app.py").write_text("# TODO: finish this\nprint('hello')\n")
    env = {**os.environ, "NG_HOME": str(home), "PATH": f"{NEXTGEN.parent}:{os.environ['PATH']}"}
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    template = tmp_path / ".nextgen" / "templates" / "todo_keeper.json"
    for language, body in re.findall(r"```(console|json)\n(.*?)```", page, flags=re.DOTALL):
        if language == "json":
            template.write_text(body)
            continue
        for line in body.splitlines():
            argv = shlex.split(line.removeprefix("$ "))
            run = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            assert run.returncode == 0, f"{line}\n{run.stdout}\n{run.stderr}"
            if "unfinished work" in line:
                assert "todo_keeper" in run.stderr


PAGES = ("how-to/call-from-python.md", "how-to/think-with-a-model.md")


@pytest.mark.parametrize("code", [code for page in PAGES for code in blocks(page, "python")])
def test_the_python_examples_run(code, tmp_path):
    env = {**os.environ, "PYTHONWARNINGS": "error"}
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout
