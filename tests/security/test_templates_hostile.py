"""Attacks on the templates folder: whatever lies there, the rest is served and nothing of it is ever run."""

from __future__ import annotations

import io
import json
import os
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from nextgeneration.templates.errors import TemplateInvalid, TemplateUnknown
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.templates.lint import lint

GOOD = {"name": "good", "role": "r", "domain": "d", "tools": ["fs.read"]}


def bomb() -> bytes:
    out = io.BytesIO()
    with zstandard.ZstdCompressor(level=19).stream_writer(out, closefd=False) as stream:
        for _ in range(100):
            stream.write(b"[" * 1_000_000)
    return out.getvalue()


def hostile(folder: Path) -> list[str]:
    """One file of each kind; returns their template names."""
    texts: dict[str, bytes] = {
        "empty": b"",
        "binary": bytes(range(256)),
        "utf16": json.dumps(GOOD).encode("utf-16"),
        "deep": b'{"name":' * 10_000,
        "deeplist": b"[" * 100_000,
        "twice": b'{"name": "twice", "role": "a", "role": "b", "domain": "d"}',
        "nan": b'{"name": "nan", "role": "r", "domain": "d", "default_config": {"a": NaN}}',
        "huge-number": b'{"name": "huge-number", "role": "r", "domain": "d", "default_config": {"a": 1e400}}',
        "digits": b'{"a": ' + b"9" * 900_000 + b"}",
        "escapes": b'{"a": "' + b"\\u0061" * 100_000,
        "surrogate": b'{"name": "surrogate", "role": "\\ud800", "domain": "d"}',
        "unclosed": b'{"a": "' + b'\\"' * 400_000,
        "comment": b"/*" * 400_000,
        "slashes": b"/" * 900_000,
        "wide": b"[" + b"0," * 400_000 + b"0]",
        "keys": b"{" + b",".join(b'"k%d":0' % i for i in range(60_000)) + b"}",
        "dotted": json.dumps({**GOOD, "name": "../dotted"}).encode(),
        "code": json.dumps({**GOOD, "name": "code", "hooks": {"before_process": "os:system"}}).encode(),
        "tool": json.dumps({**GOOD, "name": "tool", "tools": ["ev\u200bal"]}).encode(),
        "regex": json.dumps({**GOOD, "name": "regex", "tools": ["a" * 100_000]}).encode(),
        "self": json.dumps({**GOOD, "name": "self", "parent": "self"}).encode(),
        "far": json.dumps({**GOOD, "name": "far", "parent": "../../etc/passwd"}).encode(),
        "steps": json.dumps({**GOOD, "name": "steps", "playbook": [{"tool": "a", "with": {"$": "a["}}]}).encode(),
    }
    for name, data in texts.items():
        (folder / f"{name}.json").write_bytes(data)
    with (folder / "large.json").open("wb") as file:
        file.truncate(50_000_000)
    (folder / "bomb.json.zst").write_bytes(bomb())
    (folder / "half.json.zst").write_bytes(zstandard.compress(json.dumps(GOOD).encode())[:20])
    os.mkfifo(folder / "fifo.json")
    (folder / "folder.json").mkdir()
    (folder / "zero.json").symlink_to("/dev/zero")
    (folder / "passwd.json").symlink_to("/etc/passwd")
    (folder / "loop.json").symlink_to("loop.json")
    return [*texts, "large", "bomb", "half", "fifo", "folder", "zero", "passwd", "loop"]


def test_every_hostile_file_is_refused_by_name_and_the_good_one_is_served(tmp_path):
    names = hostile(tmp_path)
    (tmp_path / "good.json").write_text(json.dumps(GOOD))
    library = TemplateLibrary(tmp_path, builtin=False)
    for name in names:
        with pytest.raises(TemplateInvalid) as caught:
            library.get(name)
        error = caught.value
        assert error.code.startswith("NG-TEMPLATE-"), name
        assert str(tmp_path) in error.where, name
        assert len(str(error)) < 2000, name
        assert "root:" not in str(error)
    assert library.get("good").tools == ("fs.read",)
    assert set(library.revisions()) == {"good"}
    assert {summary.name for summary in library.summaries() if summary.broken} == set(names)
    assert {remark.level for remark in lint(library, names)} == {"error"}


def test_large_files_and_bombs_cost_little_memory(tmp_path):
    hostile(tmp_path)
    library = TemplateLibrary(tmp_path, builtin=False)
    tracemalloc.start()
    try:
        for name in ("large", "bomb", "digits", "unclosed", "slashes", "deeplist"):
            with pytest.raises(TemplateInvalid):
                library.get(name)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["../good", "..", "good/../good", "/etc/passwd", "good.json", "good\0", "GOOD"])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    (tmp_path / "good.json").write_text(json.dumps(GOOD))
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(TemplateUnknown):
        TemplateLibrary(inner, builtin=False).get(name)


def test_text_of_a_template_is_never_evaluated(tmp_path):
    """Expressions of other languages are kept as they stand, to the letter."""
    texts = ["{{7*7}}", "${7*7}", "{0.__class__}", "%(x)s", "#{7*7}", "<%= 7*7 %>", "{config}", "__import__('os')"]
    data = {**GOOD, "instructions": " ".join(texts), "default_config": {"a": texts}, "description": texts[0]}
    library = TemplateLibrary(tmp_path, builtin=False)
    revision = library.resolve(data)
    assert revision.instructions == " ".join(texts)
    assert revision.default_config == {"a": texts}
    assert revision.description.fr == "{{7*7}}"


TEMPLATE = {
    **GOOD,
    "parent": "base",
    "capabilities": ["a", {"id": "b", "examples": ["x"]}],
    "supervisor_route": {"route": "r", "keywords": ["k"]},
    "playbook": [{"id": "a", "tool": "t", "with": {"p": {"$": "input.p"}}, "each": {"$": "steps"}}],
    "permissions": {"allow": ["fs.write(docs/*)"]},
    "budget": {"seconds": 3},
    "default_config": {"a": {"b": [1, 2]}},
}
PIECES = [b"{", b"[", b'"', b",", b"\\", b"/*", b"//", b"null", b"\0", b"\xff"]
SOURCE = json.dumps(TEMPLATE, indent=1)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "base.json").write_text(json.dumps({**GOOD, "name": "base"}))
    return TemplateLibrary(folder, builtin=False, check_seconds=0)


def outcome(library: TemplateLibrary, data: bytes) -> str:
    path = library.folders[0] / "good.json"
    path.write_bytes(data)
    os.utime(path, (1, 1))  # long settled: nobody has to wait for a writer to finish
    library.refresh()
    try:
        revision = library.get("good")
    except TemplateInvalid as error:
        return error.code if error.problems else ""
    assert revision.name == "good"
    return revision.digest


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_template_with_bytes_changed_is_good_or_refused_by_name(library, data):
    raw = bytearray(SOURCE.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        way = data.draw(st.sampled_from(["flip", "cut", "insert", "double"]))
        if way == "flip":
            raw[place] = data.draw(st.integers(0, 255))
        elif way == "cut":
            del raw[place : place + data.draw(st.integers(1, 40))]
            raw = raw or bytearray(b" ")
        elif way == "insert":
            raw[place:place] = data.draw(st.sampled_from(PIECES))
        else:
            raw[place:place] = raw[place : place + 30]
    fresh = TemplateLibrary(library.folders[0], builtin=False)
    assert outcome(fresh, bytes(raw))


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
KEYS = st.sampled_from([*TEMPLATE, "x", "x-y", "$"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=20
)


@given(VALUES)
@settings(max_examples=150, deadline=None)
def test_arbitrary_json_is_a_template_or_refused_by_name(library, value):
    fresh = TemplateLibrary(library.folders[0], builtin=False)
    assert outcome(fresh, json.dumps(value).encode("utf-8", "surrogatepass"))
    with suppress(TemplateInvalid):
        fresh.resolve({**TEMPLATE, **(value if isinstance(value, dict) else {})})
