"""``web.search``: results of a search service, as data."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from pydantic import BaseModel, Field

from nextgeneration.kernel.findings import Evidence, Finding, Severity
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.risk import Assessment, RiskLabel
from nextgeneration.kernel.show import clean, escaped, shortened
from nextgeneration.kernel.tools import Preview, ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.errors import NetworkOff
from nextgeneration.tools.net.errors import SearchUnreadable, filled
from nextgeneration.tools.net.fetch import Fetched, Fetcher
from nextgeneration.tools.net.http_get import UNTRUSTED
from nextgeneration.tools.net.markup import tokens
from nextgeneration.tools.net.page import decoded
from nextgeneration.tools.net.target import host_of

MAX_FINDINGS = 5
_NONE = Texts("No result for: {query}", "Aucun résultat pour : {query}")
_REASON = Texts(
    "sends `{query}` to the search service {service}", "envoie « {query} » au service de recherche {service}"
)
_STATUS = Texts("status {status}", "statut {status}")
_NOT_JSON = Texts("it is not JSON with results", "ce n'est pas du JSON avec des résultats")
_NO_RESULTS = Texts(
    "the page holds no results; it may have changed or refuse programs",
    "la page ne contient aucun résultat ; elle a pu changer ou refuser les programmes",
)


class SearchArgs(Args):
    """What to look for."""

    query: str = Field(min_length=1, max_length=400)
    limit: int = Field(default=8, ge=1, le=20)


class SearchResult(BaseModel):
    """One result, as the service gave it."""

    title: str
    url: str
    snippet: str


class SearchResults(BaseModel):
    """The results. They come from outside: ``untrusted`` is always true."""

    query: str
    service: str
    results: list[SearchResult]
    untrusted: bool = True


class WebSearch(BaseTool):
    """Asks a search service.

    Args:
        fetcher: what fetches.
        service: address of a SearXNG-compatible service, from settings; may be on a private network.
        page: address of an HTML search page, asked when there is no service.
    """

    spec = ToolSpec(
        name="web.search",
        summary=Texts(
            "Searches the web; gives titles, addresses, excerpts.",
            "Cherche sur le web ; donne titres, adresses, extraits.",
        ),
        args=SearchArgs,
        result=SearchResults,
        risk=RiskLabel.NETWORK,
        touches=frozenset({"network"}),
        seconds=60,
    )

    def __init__(self, fetcher: Fetcher, service: str, page: str) -> None:
        self._fetcher = fetcher
        self._service = service.rstrip("/")
        self._page = page

    def assess(self, args: SearchArgs, context: ToolContext) -> Assessment:
        """A network call that tells the service what is looked for."""
        values = {"query": escaped(args.query, newlines=False), "service": self._host}
        return Assessment(label=RiskLabel.NETWORK, reasons=(_REASON.say(context.lang, **values),))

    def subjects(self, args: SearchArgs) -> tuple[str, ...]:
        """The service's host."""
        return (self._host,)

    def preview(self, args: SearchArgs, context: ToolContext) -> Preview:
        """The query and who gets it."""
        return Preview(title=self.spec.name, body=f"{self._host}: {escaped(args.query, newlines=False)}")

    @property
    def _host(self) -> str:
        return host_of(self._service or self._page)

    async def call(self, args: SearchArgs, context: ToolContext) -> ToolResult:
        """Search.

        Raises:
            NetworkOff: the mission has no network.
            NetworkFailed: the service could not be reached.
            SearchUnreadable: its answer holds no results that can be read.
        """
        if not context.network:
            raise NetworkOff(tool=self.spec.name)
        if self._service:
            query = urlencode({"q": args.query, "format": "json"})
            fetched = await self._fetcher.get(f"{self._service}/search?{query}", trusted=True)
            found = self._json(fetched)
        else:
            separator = "&" if "?" in self._page else "?"
            fetched = await self._fetcher.get(f"{self._page}{separator}{urlencode({'q': args.query})}", trusted=True)
            found = self._html(fetched)
        results = found[: args.limit]
        value = SearchResults(query=args.query, service=self._host, results=results)
        lines = [f"{n}. {r.title}\n   {r.url}\n   {r.snippet}" for n, r in enumerate(results, 1)]
        head = UNTRUSTED.say(context.lang, url=self._host)
        text = "\n".join([head, *lines]) if lines else _NONE.say(context.lang, query=args.query)
        findings = tuple(_finding(result, context.lang) for result in results[:MAX_FINDINGS])
        return ToolResult(ok=bool(results), value=value.model_dump(mode="json"), text=text, findings=findings)

    def _json(self, fetched: Fetched) -> list[SearchResult]:
        try:
            answer: Any = json.loads(fetched.body)
            entries = answer["results"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self._unreadable(fetched, _NOT_JSON) from None
        if not isinstance(entries, list):
            raise self._unreadable(fetched, _NOT_JSON)
        texts = [entry for entry in entries if isinstance(entry, dict)]
        return _kept([(e.get("title"), e.get("url"), e.get("content")) for e in texts])

    def _html(self, fetched: Fetched) -> list[SearchResult]:
        if fetched.status >= 400:
            raise self._unreadable(fetched, _NO_RESULTS)
        markup = decoded(fetched.headers.get("content-type", ""), fetched.body)
        results = _kept(result_links(markup))
        if not results and "no-results" not in markup:
            raise self._unreadable(fetched, _NO_RESULTS)
        return results

    def _unreadable(self, fetched: Fetched, detail: Texts) -> SearchUnreadable:
        if fetched.status != 200:
            detail = filled(_STATUS, status=fetched.status)
        return SearchUnreadable(service=self._host, detail=detail)


def result_links(markup: str) -> list[tuple[str, str, str]]:
    """Title, address and excerpt of each result of an HTML search page with ``result__…`` classes."""
    results: list[list[str]] = []
    part: int | None = None
    closer = ""
    for kind, value, attributes in tokens(markup):
        if kind == "text":
            if part is not None and results:
                results[-1][part] += value
            continue
        names = attributes.get("class", "").split()
        if kind == "open" and "result__a" in names:
            results.append(["", _unwrapped(attributes.get("href", "")), ""])
            part, closer = 0, value
        elif kind == "open" and "result__snippet" in names:
            part, closer = 2, value
        elif kind == "close" and value == closer:
            part = None
    return [(title, url, snippet) for title, url, snippet in results]


def _unwrapped(href: str) -> str:
    """The address a result leads to; search pages put it into a parameter of their own address."""
    try:
        inner = parse_qs(urlsplit(href).query).get("uddg")
    except ValueError:
        return ""
    return inner[0] if inner else href


def _kept(entries: list[tuple[Any, Any, Any]]) -> list[SearchResult]:
    """Entries with a title and a web address, each address once, bounded and cleaned."""
    results: dict[str, SearchResult] = {}
    for title, url, snippet in entries:
        if not isinstance(title, str) or not isinstance(url, str) or not url.startswith(("http://", "https://")):
            continue
        words = [" ".join(clean(text).split()) for text in (title, snippet if isinstance(snippet, str) else "")]
        address = clean(url)[:2_000]
        if words[0]:
            shown = SearchResult(title=shortened(words[0], 200), url=address, snippet=shortened(words[1], 500))
            results.setdefault(address, shown)
    return list(results.values())


def _finding(result: SearchResult, lang: Lang) -> Finding:
    """A result as something to read; what it says is the page's claim, not ours."""
    title = Texts("To read: {title}", "À lire : {title}")
    excerpt = shortened(escaped(f"{result.url}\n{result.title}\n{result.snippet}"), 500)
    return Finding(
        rule="web.search-result",
        title=title.say(lang, title=escaped(result.title, newlines=False)),
        message=escaped(result.snippet),
        severity=Severity.INFO,
        confidence=0.3,
        cause=f"web:{result.url}",
        reference=result.url,
        evidence=(Evidence(source="web.search", excerpt=excerpt),),
    )
