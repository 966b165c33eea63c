"""``nextgen init`` writes into the project, and nowhere else."""

import json

import pytest

from nextgeneration.kernel.errors import CATALOGUE
from nextgeneration.services import project
from nextgeneration.services.catalogue import all_errors, explained
from nextgeneration.services.errors import CodeUnknown, WorkspaceMissing
from nextgeneration.services.errors_project import ProjectLinked
from nextgeneration.services.project import new_template, prepare
from nextgeneration.templates.errors import TemplateUnknown


def test_a_project_gets_its_schema_once(tmp_path):
    written, there = prepare(tmp_path / "new", "en")
    assert len(written) == 3
    assert there == []
    assert json.loads((tmp_path / "new" / project.SCHEMA).read_text())["title"]
    assert prepare(tmp_path / "new", "en") == ([], written)
    assert "Modèles" not in (tmp_path / "new" / project.README).read_text()
    prepare(tmp_path / "neuf", "fr")
    assert "Modèles de ce projet" in (tmp_path / "neuf" / project.README).read_text()


@pytest.mark.parametrize("part", [project.FOLDER, project.TEMPLATES, project.SCHEMA.parent, project.SCHEMA])
def test_links_in_a_foreign_project_lead_nowhere(tmp_path, part):
    """A cloned repository may hold ``.nextgen`` links that point at the user's own files."""
    secret = tmp_path / "bashrc"
    secret.write_text("mine")
    folder = tmp_path / "cloned"
    (folder / part).parent.mkdir(parents=True)
    (folder / part).symlink_to(secret if part == project.SCHEMA else tmp_path)
    with pytest.raises(ProjectLinked):
        prepare(folder, "en")
    with pytest.raises(ProjectLinked):
        new_template(folder, "seer", "base_specialist", "en")
    assert secret.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bashrc", "cloned"]


def test_a_file_is_no_project(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkspaceMissing):
        prepare(tmp_path / "file", "en")


def test_what_cannot_be_replaced_leaves_nothing_behind(tmp_path):
    (tmp_path / project.SCHEMA).mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        prepare(tmp_path, "en")
    assert sorted(path.name for path in (tmp_path / project.SCHEMA).parent.iterdir()) == [project.SCHEMA.name]


def test_a_template_needs_a_parent_that_is_there(tmp_path):
    with pytest.raises(TemplateUnknown):
        new_template(tmp_path, "seer", "nobody", "en")
    assert not (tmp_path / ".nextgen").exists(), "nothing is half-written"
    assert new_template(tmp_path, "seer", "", "fr").exists()


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_every_error_explains_itself(lang):
    for code in all_errors():
        facts = explained(code, lang)
        assert facts["what"]
        assert facts["mend"]
        assert "{" not in facts["what"].replace("{{", "")
    assert CATALOGUE.keys() >= {"NG-CLI-001", "NG-SERVICE-003"}


def test_an_unknown_code_names_the_nearest():
    with pytest.raises(CodeUnknown) as caught:
        explained("NG-SERVICE-03", "en")
    assert "NG-SERVICE-003" in caught.value.message()
    with pytest.raises(CodeUnknown):
        explained("xyz", "fr")
