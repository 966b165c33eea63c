"""Summaries and keywords: nothing invented, the right language, every sentence with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextgeneration.kernel.tools import ToolContext, ToolResult
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools import docs
from nextgeneration.tools.base import Limited, parse_args
from nextgeneration.tools.docs.corpus import Document
from nextgeneration.tools.docs.errors import NoText
from nextgeneration.tools.docs.keywords import Keywords, extract
from nextgeneration.tools.docs.prose import blocks, language_of_text, sentences
from nextgeneration.tools.docs.summary import Summary, summarise
from nextgeneration.tools.errors import BadArguments
from nextgeneration.tools.errors_paths import PathRefused

TOOLS = {tool.spec.name: tool for tool in docs.tools(ToolSettings())}

FRENCH = """---
title: une page
---
# La mémoire des abeilles

Les abeilles retiennent le chemin des fleurs. M. Dupont, qui les observe depuis 1998, l'a montré en
filmant la ruche (cf. fig. 3). Selon lui, « une abeille se souvient de l'emplacement des fleurs
pendant 3,5 jours. » Cette mémoire dépend de la lumière, de l'odeur, etc. Le froid la réduit.

Méthode
-------

- Marquer les abeilles avec un point de couleur
- Déplacer les fleurs chaque matin.

```python
print("ceci n'est pas de la prose. Vraiment.")
```

| col | val |
|-----|-----|
| a   | b   |

    du code indenté. Aussi.

La ruche a été observée pendant l'été. Les abeilles marquées ont retrouvé les fleurs dans 80 % des cas !
Est-ce une preuve ? Pas encore. Voir `ruche.py` ou https://abeilles.test/a.b. L'expérience sera répétée.
"""

ENGLISH = """# Rivers of ice

Glaciers are rivers of ice that move slowly downhill. Dr. Smith measured one, e.g. near the U.S. border, at
2.5 m a day. A glacier carries rocks with it. The rocks grind the valley floor under the glacier.

When a glacier melts, the rocks stay behind as a ridge called a moraine. Moraines show where the ice once ended!

> The ice remembers.
> It moves still.

1. Look for a ridge of rocks.
2. Ask whether ice was there: it may have been.
"""


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    for name in ("work", "scratch"):
        (tmp_path / name).mkdir()
    return ToolContext(workspace=tmp_path / "work", scratch=tmp_path / "scratch")


async def run(context: ToolContext, name: str, **args: Any) -> ToolResult:
    return await Limited(TOOLS[name]).call(parse_args(TOOLS[name], args), context)


def test_french_sentences_end_where_a_reader_ends_them() -> None:
    found = [(s.text, s.line, s.end_line) for s in sentences(FRENCH)]
    assert found == [
        ("Les abeilles retiennent le chemin des fleurs.", 6, 6),
        ("M. Dupont, qui les observe depuis 1998, l'a montré en filmant la ruche (cf. fig. 3).", 6, 7),
        ("Selon lui, « une abeille se souvient de l'emplacement des fleurs pendant 3,5 jours. »", 7, 8),
        ("Cette mémoire dépend de la lumière, de l'odeur, etc.", 8, 8),
        ("Le froid la réduit.", 8, 8),
        ("Marquer les abeilles avec un point de couleur", 13, 13),
        ("Déplacer les fleurs chaque matin.", 14, 14),
        ("La ruche a été observée pendant l'été.", 26, 26),
        ("Les abeilles marquées ont retrouvé les fleurs dans 80 % des cas !", 26, 26),
        ("Est-ce une preuve ?", 27, 27),
        ("Pas encore.", 27, 27),
        ("Voir `ruche.py` ou https://abeilles.test/a.b.", 27, 27),
        ("L'expérience sera répétée.", 27, 27),
    ]


def test_english_sentences_too() -> None:
    found = [s.text for s in sentences(ENGLISH)]
    assert "Dr. Smith measured one, e.g. near the U.S. border, at 2.5 m a day." in found
    assert "Moraines show where the ice once ended!" in found
    assert found[-4:] == [
        "The ice remembers.",
        "It moves still.",
        "Look for a ridge of rocks.",
        "Ask whether ice was there: it may have been.",
    ]


def test_headings_are_known_in_both_styles_and_in_rest() -> None:
    assert [b.text for b in blocks(FRENCH) if b.kind == "heading"] == ["La mémoire des abeilles", "Méthode"]
    rest = "Title\n=====\n\nSome words here.\n\n.. code-block:: python\n\n   x = 1. Not prose.\n\nMore words.\n"
    assert [(b.kind, b.text) for b in blocks(rest)] == [
        ("heading", "Title"), ("text", "Some words here."), ("text", "More words."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "language"),
    [(FRENCH, "fr"), (ENGLISH, "en"), ("", "en"), ("xyzzy 42", "en"), ("Le chat dort dans la maison.", "fr")],
)
def test_the_language_is_told_by_its_stop_words(text: str, language: str) -> None:
    assert language_of_text(text) == language


async def test_a_summary_is_made_of_sentences_of_the_text_with_their_lines(context: ToolContext) -> None:
    (context.workspace / "bees.md").write_text(FRENCH)
    result = await run(context, "docs.summary", paths=["bees.md"], length=40)
    value = Summary.model_validate(result.value)
    assert value.language == "fr"
    assert value.sentences[0].text == "Les abeilles retiennent le chemin des fleurs."
    assert value.sentences[0].heading == "La mémoire des abeilles"
    assert 0 < value.words <= 40
    folded = " ".join(FRENCH.split())
    lines = FRENCH.split("\n")
    for extract_ in value.sentences:
        assert extract_.path == "bees.md"
        assert extract_.text in folded
        there = " ".join(" ".join(lines[extract_.line - 1 : extract_.end_line]).split())
        assert extract_.text in there
    assert [s.line for s in value.sentences] == sorted(s.line for s in value.sentences)
    assert result.text == value.summary


async def test_length_and_number_of_sentences_are_kept(context: ToolContext) -> None:
    two = await run(context, "docs.summary", text=ENGLISH, sentences=2)
    assert len(two.value["sentences"]) == 2
    assert two.value["language"] == "en"
    everything = await run(context, "docs.summary", text=ENGLISH, length=5000)
    assert everything.value["words"] <= everything.value["of_words"] + 20


async def test_the_language_can_be_given(context: ToolContext) -> None:
    assert (await run(context, "docs.summary", text=ENGLISH, language="fr")).value["language"] == "fr"


async def test_a_sentence_that_repeats_a_chosen_one_is_passed_over() -> None:
    text = "The engine drives the pump and the pump drives the fan. " * 5 + "Birds sing in the old garden at dawn."
    chosen = summarise([Document("", text)], "en", length=100, most=None)
    assert [c.text for c in chosen] == [
        "The engine drives the pump and the pump drives the fan.",
        "Birds sing in the old garden at dawn.",
    ]


async def test_without_text_and_paths_the_projects_documentation_is_read(context: ToolContext) -> None:
    with pytest.raises(NoText):
        await run(context, "docs.summary")
    (context.workspace / "docs").mkdir()
    (context.workspace / "docs" / "a.md").write_text(ENGLISH)
    (context.workspace / "README.md").write_text(ENGLISH)
    (context.workspace / "app.py").write_text("# Not prose at all. Really.\n")
    result = await run(context, "docs.summary")
    assert result.value["sources"] == ["README.md", "docs/a.md"]


async def test_of_a_folder_only_prose_is_read_but_a_named_file_always(context: ToolContext) -> None:
    (context.workspace / "d").mkdir()
    (context.workspace / "d" / "a.txt").write_text(ENGLISH)
    (context.workspace / "d" / "a.log").write_text(FRENCH)
    assert (await run(context, "docs.summary", paths=["d"])).value["sources"] == ["d/a.txt"]
    assert (await run(context, "docs.summary", paths=["d/a.log"])).value["sources"] == ["d/a.log"]


async def test_paths_outside_and_wrong_arguments_are_refused(context: ToolContext) -> None:
    with pytest.raises(PathRefused):
        await run(context, "docs.summary", paths=["../x.md"])
    with pytest.raises(BadArguments):
        await run(context, "docs.summary", length=0)


async def test_a_large_text_is_summarised_in_bounded_time(context: ToolContext) -> None:
    text = " ".join(f"The river number {n} flows past town {n % 97} and mill {n % 13}." for n in range(8000))
    result = await run(context, "docs.summary", text=text)
    assert 0 < result.value["words"] <= 250


def keywords(text: str, language: str = "en") -> list[str]:
    return [k.keyword.lower() for k in extract([Document("", text)], "fr" if language == "fr" else "en", 10)]


def test_keywords_are_what_the_text_is_about() -> None:
    assert {"abeilles", "fleurs", "mémoire"} <= set(keywords(FRENCH, "fr"))
    assert {"glacier", "rocks", "ice"} <= set(keywords(ENGLISH))


def test_keywords_leave_out_stop_words_elisions_code_and_addresses() -> None:
    found = " ".join(keywords("L'expérience d'une ruche qu'on observe. Voir https://a.test/chemin `x`.", "fr"))
    assert "l'" not in found
    assert "d'" not in found
    assert "https" not in found
    assert "print" not in " ".join(keywords(FRENCH, "fr"))


async def test_keywords_have_scores_counts_and_places(context: ToolContext) -> None:
    (context.workspace / "a.md").write_text(ENGLISH)
    result = await run(context, "docs.keywords", paths=["a.md"], count=5)
    value = Keywords.model_validate(result.value)
    scores = [k.score for k in value.keywords]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1
    lines = ENGLISH.split("\n")
    for keyword in value.keywords:
        assert keyword.count >= 1
        for place in keyword.locations:
            assert place.line is not None
            assert keyword.keyword.lower() in lines[place.line - 1].lower()
    (context.workspace / "a.md").unlink()
    with pytest.raises(NoText):
        await run(context, "docs.keywords")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=600))
def test_any_text_is_cut_into_verbatim_sentences(text: str) -> None:
    lines = text.split("\n")
    for sentence in sentences(text):
        assert 1 <= sentence.line <= sentence.end_line <= len(lines)
        there = " ".join(" ".join(lines[sentence.line - 1 : sentence.end_line]).split())
        first_word, last_word = sentence.text.split()[0], sentence.text.split()[-1]
        assert first_word in there
        assert last_word in there


_PIECES = "le la river ice Glacier moves. M. etc. abeilles fleurs! 3.5 « mémoire » - # `"
_WORDS = st.sampled_from([*_PIECES.split(), "\n", "\n\n"])


@settings(max_examples=100, deadline=None)
@given(st.lists(_WORDS, max_size=80).map(" ".join), st.integers(10, 60))
def test_any_prose_is_summarised_by_its_own_sentences(text: str, length: int) -> None:
    own = {sentence.text for sentence in sentences(text)}
    chosen = summarise([Document("", text)], language_of_text(text), length=length, most=None)
    assert {extract_.text for extract_ in chosen} <= own
    assert len(chosen) <= 1 or sum(len(c.text.split()) for c in chosen) <= length
    extract([Document("", text)], "fr", 5)
