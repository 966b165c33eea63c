"""What a child is told of a parent that is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nextgeneration.templates.errors import ParentMissing
from nextgeneration.templates.library import TemplateLibrary


@pytest.fixture
def library(tmp_path: Path) -> TemplateLibrary:
    parents = {"base_plumber": None, "kid": "base_plumer", "stranger": "nobody_like_it", "sel": "self"}
    for name, parent in parents.items():
        data = {"name": name, "role": "r", "domain": "d", "version": "1.0.0", "capabilities": ["c"]}
        (tmp_path / f"{name}.json").write_text(json.dumps(data | ({"parent": parent} if parent else {})))
    return TemplateLibrary(tmp_path, builtin=False)


def test_a_missing_parent_is_told_with_the_name_that_may_have_been_meant(library: TemplateLibrary) -> None:
    data = {"name": "mine", "role": "r", "domain": "d", "parent": "base_plumer"}
    for ask in (lambda: library.get("kid"), lambda: library.resolve(data)):
        with pytest.raises(ParentMissing, match=r"named `base_plumer`; did you mean `base_plumber`\?") as caught:
            ask()
        assert "vouliez-vous dire `base_plumber` ?" in caught.value.message("fr")


@pytest.mark.parametrize("name", ["stranger", "sel"])
def test_nothing_is_suggested_that_is_not_close_nor_the_child_itself(library: TemplateLibrary, name: str) -> None:
    with pytest.raises(ParentMissing) as caught:
        library.get(name)
    assert "did you mean" not in str(caught.value)
