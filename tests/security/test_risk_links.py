"""A line that reads or writes through a link of the workspace is never called a line inside it (A19).

The workspace is a real folder with links out of it, into its control files and around in circles. Rows as in
the unit test; ``=`` is exactly that label, ``>=`` at least.
"""

import os
from pathlib import Path

import pytest

from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.tools.shell.risk import judge_argv, judge_line, links

FILES = ("plain/a.txt", "plain/.env", "sub/b.txt", "a/b/c.txt", ".git/hooks/pre-commit.sample", "away/.git")
LINKS = {
    "link": "/etc/passwd",
    "notes.txt": "/etc/passwd",
    "dangling": "/nonexistent/new",
    "home": "/home",
    "dir/out": "/etc",
    "sub/inner": "/etc/passwd",
    "plain/settings": ".env",
    "plain/hooks": "../.git/hooks",
    "a/b/around": "../../a",
    "a/b/tosub": "../../sub",
    "a/b/top": "../..",
    "a/loop": "loop",
    "deep/er/x": "/etc",
    "repo/.git": "/srv/repo.git",
}

ROWS = """
# a link as the path, by every spelling
=unknown      cat link
=unknown      cat ./link
=unknown      cat //link/
=unknown      cat {ws}/link
=unknown      cat {ws}/plain/../link
=unknown      cat {up}/link
=unknown      cat 'li'"nk"
=unknown      cat plain/../link
=unknown      cat a/b/top/link
=unknown      cat a/b/around/b/top/link
=unknown      cat a/b/tosub/../link
=unknown      head -n 5 plain/a.txt link
=unknown      cat dangling
# a link on the way
=unknown      cat dir/out/shadow
=unknown      ls dir/out
=unknown      ls home/
=unknown      find home/ -name x
=unknown      stat dir/out/passwd
=unknown      du -s home
=unknown      [ -e dir/out/passwd ]
# what wildcards match
=unknown      cat *.txt
=unknown      cat *
=unknown      cat ?otes.txt
=unknown      cat n[no]tes.txt
=unknown      cat n[[:alpha:]]tes.txt
=unknown      cat */inner
=unknown      cat */o*/passwd
=unknown      cat {ws}/*.txt
=unknown      cat {{plain/a.txt,link}}
=unknown      echo home/*
=unknown      for f in *; do cat "$f"; done
=unknown      for f in a link; do cat "$f"; done
=safe         echo *
=safe         cat plain/*.txt
=safe         for f in plain/*.txt; do cat "$f"; done
# redirections
=unknown      cat < link
=unknown      x=$(<link)
=destructive  echo x > link
=destructive  echo x >> dir/out/y
=destructive  echo x > dangling
=destructive  ls 2> home/y
# where commands name a file by an option, or in a script
=unknown      grep -f sub/inner plain/a.txt
=unknown      date -r link
=unknown      find . -newer link
=unknown      sed -n p link
=unknown      awk '{{print}}' link
=unknown      jq . link
# a folder the line changes into
=unknown      cd dir/out && ls
=unknown      cd sub; cat inner
=unknown      cd a/b/tosub; cat inner
=unknown      cd a; cd b; cd tosub; cat inner
=unknown      while true; do cat inner; cd tosub; cd a/b; done
=unknown      env -C sub cat inner
=unknown      env --chdir=sub cat inner
=unknown      bash -c 'cd sub; cat inner'
=unknown      (cd sub && cat inner)
>=unknown     tar -cf - -C sub inner
=unknown      git -C repo log
=unknown      cd repo; git log
# programs that follow the links they meet
=unknown      ls -L
=unknown      ls -LR .
=unknown      du -L sub
=unknown      diff plain sub
=unknown      diff -r plain sub
>=unknown     tar -chf - deep
>=unknown     cp -rL deep plain
>=unknown     zip -r plain/x.zip deep
>=unknown     gzip -rc deep
=safe         ls -L plain/a.txt
=safe         du sub
=safe         diff -r --no-dereference plain sub
=safe         diff -r plain plain
=safe         grep -rn x .
# secrets and control files by another name
=unknown      cat plain/settings
=unknown      cat plain/sett*
=safe         ls plain/settings
=privileged   echo x > plain/hooks/pre-commit
=privileged   cp plain/a.txt plain/hooks/post-commit
=privileged   touch a/b/top/.git/config
# writing
>=privileged  touch home/x
>=privileged  sed -i s/a/b/ link
>=privileged  tee dir/out/x
>=privileged  mv plain/a.txt home/
>=privileged  cp plain/a.txt link
>=unknown     cp link plain/copy
# links that stay inside are ordinary paths
=safe         cat a/b/tosub/b.txt
=safe         ls a/b/top
=safe         cat a/b/around/b/c.txt
=safe         cd a/b/tosub; cat b.txt
=write        touch a/b/tosub/new.txt
=safe         cat a/loop/x
=safe         cat not/there
=safe         git log
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with links, itself reached by a link."""
    folder = tmp_path_factory.mktemp("links")
    root = folder / "real"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    for name, target in LINKS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)
    (folder / "space").symlink_to(root)
    return folder / "space"


def _rows() -> list[tuple[str, str]]:
    split = (row.split(maxsplit=1) for row in ROWS.splitlines() if row and not row.startswith("#"))
    return [(rule, line) for rule, line in split]


@pytest.mark.parametrize(("rule", "line"), _rows(), ids=[line for _, line in _rows()])
@pytest.mark.parametrize("resolved", [False, True])
def test_label(workspace: Path, rule: str, line: str, resolved: bool) -> None:
    """The label of a line in a workspace full of links, seen by its own path and by a link to it."""
    root = workspace.resolve() if resolved else workspace
    judged = judge_line(line.format(ws=root, up=f"../{root.name}"), root)
    wanted = RiskLabel(rule.lstrip(">="))
    if rule.startswith(">"):
        assert judged.label.rank >= wanted.rank, judged.reasons
    else:
        assert judged.label is wanted, judged.reasons


def test_the_folder_it_starts_in(workspace: Path) -> None:
    """Starting in a linked folder is like changing into it."""
    assert judge_line("ls", workspace, folder="dir/out").label is RiskLabel.UNKNOWN
    assert judge_argv(["cat", "inner"], workspace, folder="a/b/tosub").label is RiskLabel.UNKNOWN
    assert judge_argv(["cat", "b.txt"], workspace, folder="a/b/tosub").label is RiskLabel.SAFE


def test_it_says_where_a_link_leads(workspace: Path) -> None:
    """The reason names the link as it was written and the place it leads to."""
    assert judge_line("cat link", workspace).reasons == (
        "`link` leads by a link outside the workspace, to `/etc/passwd`",
    )
    assert judge_line("cat plain/settings", workspace).reasons == ("`plain/.env` may hold secrets",)


def test_too_many_names_are_not_called_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much to look at is unknown, never safe; and looking ends."""
    for number in range(40):
        (tmp_path / f"f{number}").write_text("")
    assert judge_line("cat *", tmp_path).label is RiskLabel.SAFE
    monkeypatch.setattr(links, "MAX_LOOKS", 20)
    for line in ("cat *", "diff . .", "touch */x*", "cat " + " ".join(f"f{n}" for n in range(30))):
        judged = judge_line(line, tmp_path)
        assert judged.label is RiskLabel.UNKNOWN, line
        assert any("too many files" in reason for reason in judged.reasons)


def test_many_folders_are_not_called_safe(tmp_path: Path) -> None:
    """A line that may be in more folders than are followed is not called safe."""
    for number in range(links.MAX_FOLDERS + 8):
        (tmp_path / f"d{number}").mkdir()
    few = "; ".join(f"cd d{n}" for n in range(36))
    assert judge_line(f"{few}; cat x", tmp_path).label is RiskLabel.SAFE
    many = " ".join(f"d{n}" for n in range(links.MAX_FOLDERS + 8))
    assert judge_line(f"cd {many}; cat x", tmp_path).label is RiskLabel.UNKNOWN


def test_what_the_workspace_does_not_hold_is_not_looked_at(workspace: Path) -> None:
    """Without a workspace, and in one that is a file, lines are judged by their text alone."""
    for root in (Path("/nonexistent/workspace"), workspace / "plain" / "a.txt"):
        assert judge_line("cat link", root).label is RiskLabel.SAFE


def test_names_no_file_can_have(workspace: Path) -> None:
    """Hostile names neither end the judgement nor make it milder."""
    for line in ("cat $'a\\x01b'", "cat " + "x/" * 3000, "cat " + "y" * 9000, "cat " + "../space/" * 500 + "link"):
        judge_line(line, workspace)
    assert judge_argv(["cat", "a\0b", "link"], workspace).label is RiskLabel.UNKNOWN
    assert judge_argv(["cat", "\udcff*", os.fsdecode(b"\xff/x")], workspace).label is not RiskLabel.PRIVILEGED
