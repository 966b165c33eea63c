"""What a reader sees of a web page: its title, its text, its links."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from nextgeneration.tools.net.markup import tokens

MAX_LINKS = 200
_BLOCKS = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "br",
        "caption",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    }
)
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_TEXTUAL = re.compile(r"text/.*|application/(?:[\w.-]+\+)?(?:json|xml|yaml|x-yaml|toml|javascript|x-sh|xhtml\+xml)")


class Link(NamedTuple):
    """A link: its text and its absolute address."""

    text: str
    url: str


class Page(NamedTuple):
    """The readable part of a page."""

    title: str
    text: str
    links: tuple[Link, ...]


def is_textual(content_type: str) -> bool:
    """Whether a content type is read as text; an absent one is."""
    kind = content_type.partition(";")[0].strip().lower()
    return not kind or _TEXTUAL.fullmatch(kind) is not None


def is_html(content_type: str, body: bytes) -> bool:
    """Whether a body is HTML, by its type or, without one, by its beginning."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind:
        return kind in {"text/html", "application/xhtml+xml"}
    return body[:1024].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def decoded(content_type: str, body: bytes) -> str:
    """``body`` as text, by the charset of the header, of the page itself, or UTF-8."""
    found = _CHARSET.search(content_type.encode("ascii", "replace")) or _CHARSET.search(body[:2048])
    try:
        return body.decode(found[1].decode("ascii") if found else "utf-8", "replace")
    except (LookupError, ValueError):
        return body.decode("utf-8", "replace")


def read_page(markup: str, base: str) -> Page:
    """The title, text and links of an HTML page found at ``base``."""
    title = ""
    pieces: list[str] = []
    links: list[Link] = []
    in_title, preformatted = False, 0
    href: str | None = None
    label: list[str] = []
    for kind, value, attributes in tokens(markup):
        if kind == "text":
            if in_title:
                title += value
            else:
                pieces.append(value if preformatted else re.sub(r"\s+", " ", value))
                if href is not None:
                    label.append(value)
            continue
        opening = kind == "open"
        if value == "title":
            in_title = opening and not title
        elif value == "pre":
            preformatted = max(0, preformatted + (1 if opening else -1))
        elif value == "a":
            if href is not None and len(links) < MAX_LINKS:
                links.append(Link(" ".join("".join(label).split())[:200], href))
            href, label = (_absolute(base, attributes.get("href", "")) if opening else None), []
        if value in _BLOCKS:
            pieces.append("\n" + (_HEADINGS.get(value, "- " if value == "li" else "") if opening else ""))
    return Page(" ".join(title.split())[:300], tidied("".join(pieces)), tuple(link for link in links if link.text))


def _absolute(base: str, href: str) -> str | None:
    try:
        url = urljoin(base, href.strip())
        return url if urlsplit(url).scheme in {"http", "https"} and href else None
    except ValueError:
        return None


def tidied(text: str) -> str:
    """``text`` without trailing blanks and with at most one empty line in a row."""
    lines: list[str] = []
    for line in text.splitlines():
        line = line.rstrip().removeprefix(" ") if not line.startswith("  ") else line.rstrip()
        if line.strip(" -#") or (lines and lines[-1]):
            lines.append(line if line.strip(" -#") else "")
    return "\n".join(lines).strip()
