"""Documentation that cannot lie: the reference pages are what the code says, and links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_every_setting_error_code_command_and_tool_is_documented():
    run = subprocess.run([sys.executable, "scripts/reference.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, f"run `python scripts/reference.py`: {run.stdout}{run.stderr}"


@pytest.mark.slow
def test_the_transcript_is_a_mission_as_it_happens_now():
    """But for figures: they move with every word that models are told."""
    script = [sys.executable, "scripts/transcript.py", "--check"]
    run = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, f"run `python scripts/transcript.py`: {run.stdout}{run.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_no_file_names_a_registry_or_a_machine():
    words = ["pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "/work/" + "main", "/root/" + ".pyenv"]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        path = ROOT / name
        if path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            assert not [word for word in words if word in text], name


def test_agents_md_is_short():
    assert len((ROOT / "AGENTS.md").read_text(encoding="utf-8").splitlines()) <= 80


def test_the_readme_is_what_a_newcomer_needs():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for needed in ("make try", "make test", "LICENSE", "docs/"):
        assert needed in text


def test_the_core_stays_light():
    locked = (ROOT / "requirements" / "core.txt").read_text(encoding="utf-8")
    packages = re.findall(r"^([A-Za-z0-9_.-]+)==", locked, flags=re.MULTILINE)
    assert len(set(packages)) < 130
    assert "--hash=sha256:" in locked
    # What speaks to one provider only, or sends traces, is an extra.
    assert not {"openai", "anthropic", "google-genai", "ollama", "keyring", "opentelemetry-sdk"} & set(packages)
