"""Sealed JSON: what goes in comes back, a changed byte is seen, hostile values are cleaned or refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextgeneration.storage.errors import NotStorable, RecordDamaged
from nextgeneration.storage.sealed import plain, seal, unseal

CLEAN = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | CLEAN,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(CLEAN, inner, max_size=5),
    max_leaves=20,
)
HOSTILE = st.recursive(
    st.none() | st.floats() | st.text(st.characters()) | st.sampled_from(["\ud800", "a\0b", "\udfff\0"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(st.characters()) | st.sampled_from(["\ud800", "\0"]), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(JSON)
def test_plain_json_comes_back(value):
    assert unseal(seal(value), "t", "1") == value


@given(HOSTILE)
def test_what_is_hostile_comes_back_clean(value):
    found = unseal(seal(value), "t", "1")
    assert found == unseal(seal(found), "t", "1")
    text = repr(found)
    text.encode("utf-8")
    assert "\\x00" not in text
    assert "nan" not in str(found).split()


@given(HOSTILE)
def test_what_is_plain_stays_as_it_is_when_it_is_stored(value):
    """What an agent is told now is what it is told when its task runs again."""
    found = plain(value)
    assert repr(unseal(seal(found), "t", "1")) == repr(found) == repr(plain(found))
    assert type(found) is not tuple


class Unequal:
    """Like an array: its equality is no yes or no."""

    __hash__ = None

    def __eq__(self, other):
        raise ValueError


@pytest.mark.parametrize("value", [Unequal(), {"a": Unequal()}, {1, 2}, [b"x"], {"a": iter([1])}])
def test_what_only_looks_like_json_is_not_plain(value):
    with pytest.raises(NotStorable):
        plain(value)


def test_a_plain_value_is_a_copy():
    given_ = {"a": [1, {"b": 2.5}], "c": "é"}
    found = plain(given_)
    assert found == given_
    found["a"][1]["b"] = 0
    assert given_["a"][1]["b"] == 2.5


@given(JSON, st.data())
def test_a_changed_byte_is_seen(value, data):
    sealed = seal(value).encode()
    place = data.draw(st.integers(0, len(sealed) - 1))
    flipped = bytes(
        [*sealed[:place], sealed[place] ^ data.draw(st.sampled_from([1, 2, 4, 8, 16, 32, 64])), *sealed[place + 1 :]]
    )
    text = flipped.decode("utf-8", "replace")
    with pytest.raises(RecordDamaged, match="Record 1 of table t"):
        unseal(text, "t", "1")


@pytest.mark.parametrize("text", ["", "0", "zzzzzzzz{}", "00000000{}", "2f{}"])
def test_what_was_never_sealed_is_refused(text):
    with pytest.raises(RecordDamaged):
        unseal(text, "t", "1")


def test_a_right_checksum_over_no_json_is_refused():
    from nextgeneration.storage.sealed import seal_json

    with pytest.raises(RecordDamaged):
        unseal(seal_json(b"{]"), "t", "1")


@pytest.mark.parametrize("value", [object(), {"a": object()}, [lambda: None]])
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(NotStorable):
        seal(value)


@pytest.mark.parametrize("depth", [150, 195, 220, 300, 5_000, 200_000])
def test_what_is_written_can_be_read(depth):
    """Nesting: either it comes back, or it is refused when it is written; never lost between."""
    value = 1
    for _ in range(depth):
        value = [value]
    try:
        sealed = seal(value)
    except NotStorable:
        assert depth > 150
        return
    assert unseal(sealed, "t", "1") == value


def test_cleaning():
    given_ = {"a\ud800": "b\0", 1: math.inf, "t": (1, True, None, 2.5)}
    assert plain(given_) == {"a?": "b\ufffd", "1": None, "t": [1, True, None, 2.5]}
    with pytest.raises(NotStorable, match="bool"):
        plain({True: 1})
