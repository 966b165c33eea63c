"""What keeps a hostile or damaged file from becoming a template, and what is said about it."""

from __future__ import annotations

import io
import json
import os
import pickle
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from nextgeneration.templates.errors import (
    DuplicateKey,
    NotCompressed,
    NotJson,
    NotUnicode,
    NumberRefused,
    TemplateInvalid,
    TemplatePathRefused,
    TemplateTooDeep,
    TemplateTooLarge,
)
from nextgeneration.templates.positions import Scan
from nextgeneration.templates.reader import parse, read

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBER = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "error", "line", "pointer"),
    [
        ("", NotJson, 1, ""),
        ("{", NotJson, 1, ""),
        ('{"a": 1,\n "a": 2}', DuplicateKey, 2, "/a"),
        ('{"a": {"b": 1,\n\n "\\u0062": 2}}', DuplicateKey, 3, "/a/b"),
        ('{"a":\n NaN}', NumberRefused, 2, "/a"),
        ('{"a": [1, -Infinity]}', NumberRefused, 1, "/a/1"),
        ('{"a": 1e400}', NumberRefused, 1, "/a"),
        ('{"a": 9007199254740992}', NumberRefused, 1, "/a"),
        ('{"a": ' + "9" * 5000 + "}", NumberRefused, 1, "/a"),
        ('{"a": "\\ud800"}', NotUnicode, 1, "/a"),
        ('{"\\udc00": 1}', NotUnicode, 1, ""),
        ('{"a": "\\u0000"}', NotUnicode, 1, "/a"),
        ("[" * 10_000, TemplateTooDeep, 1, None),
        ('{"a":' * 10_000, TemplateTooDeep, 1, None),
        ('{"a": [1, 2,]}', NotJson, 1, "/a/2"),
        ('{"a": 1,}', NotJson, 1, None),
        ('{"a": 1 "b": 2}', NotJson, 1, "/a"),
        ('{"a" 1}', NotJson, 1, "/a"),
        ("{a: 1}", NotJson, 1, ""),
        ("{'a': 1}", NotJson, 1, ""),
        ('{"a": tru}', NotJson, 1, "/a"),
        ('{"a": 01}', NotJson, 1, "/a"),
        ('{"a": "x\ny"}', NotJson, 1, "/a"),
        ('{"a": "x\\q"}', NotJson, 1, "/a"),
        ('{"a": 1} {}', NotJson, 1, ""),
        ('{"a": 1}\n/* open', NotJson, 2, ""),
        ('{"a"}', NotJson, 1, "/a"),
        ("[1]]", NotJson, 1, ""),
        ("@", NotJson, 1, ""),
    ],
)
def test_every_fault_names_its_kind_line_and_pointer(text, error, line, pointer):
    with pytest.raises(error) as caught:
        parse(text, "t.json")
    problem = caught.value.problems[0]
    assert problem.line == line
    assert pointer is None or problem.pointer == pointer
    assert caught.value.where.startswith(f"t.json:{line}")
    for lang in ("en", "fr"):
        assert problem.fix.say(lang)
        assert problem.fix.say(lang) in caught.value.message(lang)
    assert pickle.loads(pickle.dumps(caught.value)).problem("fr") == caught.value.problem("fr")


def test_comments_are_accepted_and_lines_stay_true():
    document = parse('// one\n{"a": "http://x/*y*/", /* two\n*/ "b": [1, // three\n 2]}\n// end')
    assert document.data == {"a": "http://x/*y*/", "b": [1, 2]}
    lines = [document.line_of(pointer) for pointer in ("", "/a", "/b", "/b/1", "/b/9", "/none/at/all")]
    assert lines == [2, 2, 3, 4, 3, 2]


@pytest.mark.slow
@given(JSON)
@settings(max_examples=150, deadline=None)
def test_what_the_standard_library_writes_is_read_back_and_scanned_without_fault(value):
    for options in ({}, {"indent": 1}, {"ensure_ascii": False}):
        text = json.dumps(value, **options)
        assert parse(text).data == value
        assert Scan(text).fault is None


@given(st.text(st.sampled_from('{}[]",:0123.eE+-\\/*ntrufalsd \n"')))
@settings(max_examples=400, deadline=None)
def test_reader_and_scanner_agree_on_what_json_is(text):
    """The scanner explains what the C reader refuses: it must never find fault where that reads, nor the reverse."""
    refused = _refusal(lambda: parse(text))
    assert (refused is None) == (Scan(text).fault is None)
    assert refused is None or refused.problems[0].line


def _refusal(call) -> TemplateInvalid | None:
    try:
        call()
    except TemplateInvalid as error:
        return error
    return None


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_random_bytes_are_refused_with_a_named_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("b") / "x.json"
    path.write_bytes(data)
    refused = _refusal(lambda: read(path))
    assert refused is None or refused.code.startswith("NG-TEMPLATE-")


def test_a_string_of_escapes_does_not_take_quadratic_time():
    with pytest.raises(NotJson):
        parse('"' + '\\"' * 400_000)


def test_a_long_key_over_many_values_stays_small():
    with pytest.raises(NotJson):
        parse('{"' + "k" * 300_000 + '":[' + "[]," * 100_000 + "x")


def test_a_file_of_fifty_megabytes_is_refused_without_being_read(tmp_path):
    path = tmp_path / "big.json"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    with pytest.raises(TemplateTooLarge):
        read(path)


def test_zstandard_files_are_read(tmp_path):
    path = tmp_path / "a.json.zst"
    path.write_bytes(zstandard.compress(b'{"a": 1}'))
    assert read(path).data == {"a": 1}


def test_a_zip_bomb_stops_at_the_limit(tmp_path):
    path = tmp_path / "bomb.json.zst"
    out = io.BytesIO()
    with zstandard.ZstdCompressor(level=19).stream_writer(out, closefd=False) as stream:
        for _ in range(200):
            stream.write(b" " * 1_000_000)
    path.write_bytes(out.getvalue())
    assert path.stat().st_size < 100_000
    with pytest.raises(TemplateTooLarge):
        read(path)


@pytest.mark.parametrize("data", [b"", b"not zstd", zstandard.compress(b'{"a": 1}' * 50)[:-5]])
def test_damaged_compression_is_refused(tmp_path, data):
    path = tmp_path / "a.json.zst"
    path.write_bytes(data)
    with pytest.raises((NotCompressed, NotJson)):
        read(path)


def test_invalid_utf8_says_where(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'{\n"a": "\xff"}')
    with pytest.raises(NotUnicode) as caught:
        read(path)
    assert caught.value.problems[0].line == 2


def test_a_byte_order_mark_is_no_fault(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read(path).data == {"a": 1}


def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_followed(tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text('{"a": 1}')
    folder = tmp_path / "folder"
    (folder / "..data").mkdir(parents=True)
    (folder / "..data" / "in.json").write_text('{"b": 1}')
    (folder / "out.json").symlink_to(secret)
    (folder / "in.json").symlink_to("..data/in.json")
    (folder / "circle.json").symlink_to("circle.json")
    (folder / "lost.json").symlink_to("nowhere.json")
    assert read(folder / "in.json").data == {"b": 1}
    for name in ("out", "circle", "lost"):
        with pytest.raises(TemplatePathRefused):
            read(folder / f"{name}.json")


def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "dir.json").mkdir()
    (tmp_path / "null.json").symlink_to("/dev/zero")
    for name in ("fifo", "dir", "null"):
        with pytest.raises(TemplatePathRefused):
            read(tmp_path / f"{name}.json")
    with pytest.raises(TemplatePathRefused):
        read(Path("/dev/null"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_says_so(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("{}")
    path.chmod(0)
    with pytest.raises(TemplatePathRefused):
        read(path)


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.json")
