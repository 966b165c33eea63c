"""Links and headings of Markdown and reStructuredText, with the anchors GitHub gives to headings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^\s{0,12}(?:[-*+]\s+|\d+[.)]\s+|>\s?)*(`{3,}|~{3,})")
_CODE = re.compile(r"(`+)(?:(?!\1).){1,400}?\1")
_INLINE = re.compile(
    r"(?P<image>!?)\[(?:[^\[\]\n]|\[[^\[\]\n]{0,300}\](?:\([^()\n]{0,300}\))?){0,500}\]"
    r"\(\s*<?(?P<target>[^()\s<>]{1,1000}(?:\([^()\s]{0,200}\)[^()\s]{0,200})?)>?"
)
_REFERENCE = re.compile(r"^\s{0,3}\[(?!\^)[^\]\n]{1,300}\]:\s*<?(?P<target>[^\s<>]{1,1000})>?")
_HTML = re.compile(
    r"<(?P<tag>a|img|source|video)\b[^<>]{0,500}?\b(?:href|src)\s*=\s*[\"'](?P<target>[^\"'<>\s]{1,1000})[\"']",
    re.IGNORECASE,
)
_HTML_ID = re.compile(r"<[a-zA-Z][^<>]{0,300}?\b(?:id|name)\s*=\s*[\"']([^\"']{1,200})[\"']")
_ATTRIBUTE_ID = re.compile(r"\{[^{}\n]{0,100}?#([\w:.-]{1,200})[^{}\n]{0,100}\}")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.*?)(?:\s+#+)?\s*$")
_UNDERLINE = re.compile(r"^\s{0,3}(?:=+|-+)\s*$")
_MARKUP_LINK = re.compile(r"!?\[([^\[\]]{0,300})\](?:\([^()]{0,500}\)|\[[^\[\]]{0,100}\])")
_DIRECTIVE = re.compile(
    r"^\s*(?:\.\. (?:\|[^|]{1,80}\| )?)(image|figure|include|literalinclude)::\s*(?P<target>\S{1,1000})"
)
_RST_LINK = re.compile(r"`[^`<\n]{1,300}<(?P<target>[^<>`\n]{1,1000})>`__?")


@dataclass(frozen=True, slots=True)
class Link:
    """A link as written; ``column`` is where the target starts in its line, from 0."""

    target: str
    line: int
    column: int
    image: bool


def plain_lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line outside code, with inline code blanked; the length of a line stays."""
    fence = ""
    for number, line in enumerate(text.split("\n"), 1):
        match = _FENCE.match(line)
        if fence:
            if match and match[1].startswith(fence) and not line[match.end() :].strip():
                fence = ""
            continue
        if match is not None:
            fence = match[1]
            continue
        yield number, _CODE.sub(lambda m: " " * len(m[0]), line) if "`" in line else line


def markdown_links(text: str) -> Iterator[Link]:
    """The links and images of a Markdown text, code left out."""
    comment = False
    for number, line in plain_lines(text):
        comment, line = _without_comments(line, comment)
        if "](" in line:
            for outer in _INLINE.finditer(line):
                yield Link(outer["target"], number, outer.start("target"), bool(outer["image"]))
                # An image inside a link's text has a target of its own.
                for inner in _INLINE.finditer(line, outer.start() + 1, outer.start("target")):
                    yield Link(inner["target"], number, inner.start("target"), bool(inner["image"]))
        if "]:" in line and (reference := _REFERENCE.match(line)):
            yield Link(reference["target"], number, reference.start("target"), False)
        if "<" in line:
            for html in _HTML.finditer(line):
                yield Link(html["target"], number, html.start("target"), html["tag"].lower() != "a")


def _without_comments(line: str, inside: bool) -> tuple[bool, str]:
    """Whether a comment is open after the line, and the line with comments blanked."""
    if not inside and "<!--" not in line:
        return False, line
    out, at = [], 0
    while at < len(line):
        found = line.find("-->" if inside else "<!--", at)
        stop = len(line) if found < 0 else found + 3 if inside else found
        out.append(" " * (stop - at) if inside else line[at:stop])
        if found < 0:
            break
        at, inside = stop, not inside
    return inside, "".join(out)


def rst_links(text: str) -> Iterator[Link]:
    """The files that a reStructuredText file names: images, includes and links."""
    for number, line in enumerate(text.split("\n"), 1):
        if match := _DIRECTIVE.match(line):
            yield Link(match["target"], number, match.start("target"), match[1] in {"image", "figure"})
        elif "`_" in line:
            for match in _RST_LINK.finditer(line):
                yield Link(match["target"], number, match.start("target"), False)


def anchors(text: str) -> frozenset[str]:
    """Every fragment that leads somewhere in a Markdown text.

    Headings get GitHub's anchors (lower case, punctuation dropped, spaces to hyphens, repeats numbered);
    the forms of other renderers that fold hyphens are accepted too.
    """
    found: set[str] = {"", "top"}
    counts: Counter[str] = Counter()
    before = ""
    for _, line in _headings_and_lines(text):
        heading = _HEADING.match(line)
        title = heading[1] if heading else before if _UNDERLINE.match(line) and before.strip() else None
        if title is not None:
            for slug in {_slug(title), re.sub(r"-+", "-", _slug(title)).strip("-")}:
                found.add(slug if not counts[slug] else f"{slug}-{counts[slug]}")
                counts[slug] += 1
        found.update(match[1].lower() for match in _HTML_ID.finditer(line))
        found.update(match[1].lower() for match in _ATTRIBUTE_ID.finditer(line))
        before = line
    return frozenset(found)


def _headings_and_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines outside fenced code; inline code stays, because it is part of a heading's anchor."""
    outside = {number for number, _ in plain_lines(text)}
    for number, line in enumerate(text.split("\n"), 1):
        if number in outside:
            yield number, line.rstrip("\r")


def _slug(title: str) -> str:
    plain = re.sub(r"<[^<>]{1,200}>", "", _ATTRIBUTE_ID.sub("", _MARKUP_LINK.sub(r"\1", title)))
    plain = plain.replace("`", "").replace("*", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
