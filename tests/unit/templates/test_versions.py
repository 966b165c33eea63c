"""Which parents' versions a range lets in."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextgeneration.templates.errors import BadRange
from nextgeneration.templates.versions import parent_reference, parse_range, parse_version


@pytest.mark.parametrize(
    ("wanted", "inside", "outside"),
    [
        ("^1.2.3", ["1.2.3", "1.9.0"], ["1.2.2", "2.0.0", "2.0.0-alpha", "1.2.3-rc.1"]),
        ("^1.0", ["1.0.0", "1.99.99"], ["0.9.9", "2.0.0"]),
        ("^0.2.3", ["0.2.3", "0.2.9"], ["0.3.0", "0.2.2"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4"]),
        ("^0.0", ["0.0.0", "0.0.9"], ["0.1.0"]),
        ("^0", ["0.9.0"], ["1.0.0"]),
        ("~1.2.3", ["1.2.3", "1.2.9"], ["1.3.0"]),
        ("~1.2", ["1.2.0", "1.2.9"], ["1.3.0"]),
        ("~1", ["1.9.9"], ["2.0.0"]),
        ("1.2.3", ["1.2.3"], ["1.2.4"]),
        ("=1.2.3", ["1.2.3"], ["1.2.4"]),
        ("1.x", ["1.0.0", "1.9.9"], ["2.0.0", "0.9.9"]),
        ("1.2", ["1.2.0", "1.2.7"], ["1.3.0"]),
        ("*", ["0.0.1", "99.0.0"], []),
        (">=1.0 <2.0", ["1.0.0", "1.9.9"], ["2.0.0", "2.0.0-a", "0.9.9"]),
        (">=1.0.0, <1.5", ["1.4.9"], ["1.5.0"]),
        (">1.2", ["1.3.0"], ["1.2.9"]),
        (">1.2.3", ["1.2.4"], ["1.2.3"]),
        ("<=1.2", ["1.2.9"], ["1.3.0"]),
        ("<=1.2.3", ["1.2.3"], ["1.2.4"]),
        ("<=*", ["9.9.9"], []),
        (">*", [], ["9.9.9"]),
        (">=1.0.0-rc.1", ["1.0.0-rc.2", "1.0.0"], ["1.0.0-alpha"]),
    ],
)
def test_ranges(wanted, inside, outside):
    assert [version for version in inside if not parse_range(wanted).holds(version)] == []
    assert [version for version in outside if parse_range(wanted).holds(version)] == []


@pytest.mark.parametrize("text", ["", "latest", "1..2", "^", "1.0-rc", ">>1", "1.2.3.4", "~>1", "^1 && 2", "1" * 300])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(BadRange):
        parse_range(text)


@given(st.text(max_size=30))
def test_any_text_is_a_range_or_refused_by_name(text):
    with contextlib.suppress(BadRange):
        parse_range(text)


def test_references():
    assert parent_reference("base") == ("base", None)
    name, wanted = parent_reference("base@^1.0")
    assert name == "base"
    assert wanted.holds("1.5.0")
    with pytest.raises(BadRange):
        parent_reference("base@")
    with pytest.raises(BadRange):
        parse_version("1.0")
