"""The ground floor: errors, ids, time, canonical JSON, and text made fit to be shown."""

import json
import pickle
import unicodedata
from datetime import UTC, datetime

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from nextgeneration.kernel.canonical import canonical, digest
from nextgeneration.kernel.clock import SystemClock, from_iso, iso
from nextgeneration.kernel.errors import CATALOGUE, InternalError, NGError, NotCanonical, as_problem
from nextgeneration.kernel.findings import Finding, Location, Severity
from nextgeneration.kernel.ids import new_id
from nextgeneration.kernel.language import Texts, language_of
from nextgeneration.kernel.models import Image, Message, ToolCall, ToolSchema
from nextgeneration.kernel.reports import Cost
from nextgeneration.kernel.risk import Assessment, RiskLabel
from nextgeneration.kernel.show import clean, escaped, shortened
from nextgeneration.services.catalogue import all_errors

texts = st.text(st.characters(codec=None))


def test_every_error_has_a_code_of_its_own_and_speaks_two_languages():
    for code, error in all_errors().items():
        assert code.startswith("NG-"), code
        assert error.what.en
        assert error.what.fr
        assert error.mend.en
        assert error.mend.fr
        assert error.__doc__, f"{code} needs a docstring: `nextgen explain` shows it"


def test_two_errors_cannot_share_a_code():
    with pytest.raises(TypeError, match="NG-KERNEL-001"):
        type("Other", (NGError,), {"code": "NG-KERNEL-001"})
    assert CATALOGUE["NG-KERNEL-001"] is InternalError


def test_an_error_survives_pickling_with_its_place_and_values():
    error = InternalError(where="a.json:3", kind="X", detail="{not a field}")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is InternalError
    assert copy.problem("fr") == error.problem("fr")
    assert copy.detail == "{not a field}"
    assert str(copy) == "a.json:3: Internal error X: {not a field}"
    with pytest.raises(AttributeError):
        _ = copy.nothing


def test_any_exception_has_the_one_json_shape():
    assert as_problem(ValueError("no"))["code"] == "NG-KERNEL-001"
    assert set(as_problem(NotCanonical(detail="x"))) == {"code", "message", "where", "hint", "retryable"}


def test_ids_sort_by_time_and_do_not_repeat():
    ids = [new_id("mis") for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert ids[0][:12] <= ids[-1][:12]
    assert all(len(name) == 30 and name.startswith("mis_") for name in ids)


def test_time_is_utc_and_its_text_sorts_like_it():
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    assert iso(early) < iso(late)
    assert iso(datetime(2026, 11, 21, tzinfo=UTC)) == "2026-11-21T00:00:00.000000Z", (
        "a whole second has its fraction too"
    )
    assert from_iso(iso(late)) == late
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # RFC 8785, section 3.2.2 and 3.2.3: numbers, literals, sorting by UTF-16 code units.
        (
            {"numbers": [333333333.33333329, 1e30, 4.5, 2e-3, 1e-27]},
            b'{"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}',
        ),
        (
            {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7},
            '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\U0001f600":5,"\ufb33":3}'.encode(),
        ),
        ([None, True, False, -0.0, 10**15], b"[null,true,false,0,1000000000000000]"),
        ('\x07\x1f"\\/€', '"\\u0007\\u001f\\"\\\\/€"'.encode()),
    ],
)
def test_canonical_json_is_rfc_8785(value, expected):
    assert canonical(value) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53 + 1, {1: "a"}, "\ud800", object(), {"a": {1, 2}}])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(NotCanonical):
        canonical(value)


def test_nesting_deeper_than_the_stack_is_refused_not_a_crash():
    value: list = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(NotCanonical):
        canonical(value)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_a_digest_depends_on_the_value_and_not_on_its_writing(value):
    again = json.loads(json.dumps(value))
    assert digest(again) == digest(value)


@given(texts)
def test_escaped_text_hides_nothing_and_always_encodes(text):
    shown = escaped(text)
    shown.encode("utf-8")
    assert all(c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for c in shown)
    assert "\n" not in escaped(text, newlines=False)


@given(texts, st.integers(0, 20))
def test_cleaned_and_shortened_text_can_be_stored(text, limit):
    assert "\0" not in clean(text)
    clean(text).encode("utf-8")
    assert len(shortened(text, limit)) <= max(limit, 1)


def test_bidirectional_tricks_are_seen():
    assert escaped("rm \u202etxt.\u2066") == "rm \\u202etxt.\\u2066"
    assert escaped("\x1b[2J\U000e0041") == "\\x1b[2J\\U000e0041"


def test_a_finding_keeps_its_id_when_its_line_moves():
    at = [Finding(rule="r", title="t", cause="c", location=Location(path="p", line=n)) for n in (3, 30)]
    assert at[0].id == at[1].id
    assert at[0].id != Finding(rule="r", title="t", cause="c", location=Location(path="q", line=3)).id
    assert str(at[0].location) == "p:3"


def test_labels_are_ordered_and_only_get_stricter():
    assert RiskLabel.strictest([RiskLabel.NETWORK, RiskLabel.UNKNOWN, RiskLabel.WRITE]) is RiskLabel.UNKNOWN
    assert RiskLabel.strictest([]) is RiskLabel.SAFE
    raised = Assessment(label=RiskLabel.PRIVILEGED).raised(RiskLabel.WRITE, "why")
    assert raised.label is RiskLabel.PRIVILEGED
    assert raised.reasons == ("why",)
    assert Severity.CRITICAL.rank == 4


def test_languages_and_texts():
    assert language_of("fr_CA.UTF-8") == "fr"
    assert language_of(None) == "en"
    assert Texts("{a} and {b}", "{a} et {b}").say("fr", a="{b}", b="x") == "{b} et x", (
        "values are never read as a format"
    )


def test_costs_add_up():
    assert Cost(tool_calls=1, seconds=0.5) + Cost(tool_calls=2, seconds=0.25, credits=3) == Cost(
        tool_calls=3, seconds=0.75, credits=3
    )


@given(plain)
def test_the_fast_form_of_canonical_json_is_the_slow_one(value):
    assert canonical(value) == rfc8785.dumps(value)


arguments = st.dictionaries(st.text(max_size=5), plain, max_size=3) | st.none()
calls = st.lists(st.builds(ToolCall, texts, texts, arguments, texts), max_size=2).map(tuple)
messages = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    texts,
    calls,
    texts,
    st.booleans(),
    st.lists(st.builds(Image, st.just("image/png"), st.just("AAAA")), max_size=1).map(tuple),
    st.just({}) | st.just({"provider": [1]}),
)


@given(messages)
def test_a_message_put_together_from_its_parts_has_the_digest_of_the_whole(message):
    try:
        whole = digest(message.as_data())
    except NotCanonical:
        with pytest.raises(NotCanonical):
            message.digest()
    else:
        assert message.digest() == whole == message.digest()


def test_nesting_that_can_be_followed_has_a_canonical_form():
    deep = 1
    for _ in range(300):
        deep = {"a": [deep]}
    assert json.loads(canonical(deep)) == deep


@given(messages)
def test_a_message_is_as_large_as_what_a_model_reads_of_it(message):
    read = [message.text, message.call]
    for call in message.calls:
        args = json.dumps(call.args, ensure_ascii=False) if call.args else "{}"
        read += [call.name, call.raw, args]
    read += [json.dumps(message.extra)] if message.extra else []
    ids = (
        sum(len(call.id) for call in message.calls)
        + len(message.call)
        - len(message.call.encode("utf-8", "surrogatepass"))
    )
    assert message.size() == len("".join(read).encode("utf-8", "surrogatepass")) + ids == message.size()


def test_a_tool_is_as_large_as_what_a_model_reads_of_it():
    schema = ToolSchema("fs.read", "Lit un fichier à la fois.", {"type": "object", "title": "é"})
    read = "fs.read" + "Lit un fichier à la fois." + '{"type": "object", "title": "é"}'
    assert schema.size() == len(read.encode()) == schema.size()
