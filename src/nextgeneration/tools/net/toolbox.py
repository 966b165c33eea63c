"""The network tools, built from settings."""

from __future__ import annotations

import ssl

from nextgeneration.kernel.tools import Tool
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools.net.fetch import Fetcher, Resolver, system_resolver
from nextgeneration.tools.net.http_get import HttpGet
from nextgeneration.tools.net.web_search import WebSearch


def tools(
    settings: ToolSettings,
    *,
    allow: frozenset[str] = frozenset(),
    resolve: Resolver = system_resolver,
    verify: ssl.SSLContext | None = None,
) -> list[Tool]:
    """``http.get`` and ``web.search``.

    Args:
        settings: limits, and the search service.
        allow: ``address:port`` pairs reachable although they are not public; for tests only.
        resolve: gives the addresses of a host; another one than the system's in tests.
        verify: how certificates are checked; the system's own store by default.
    """

    def fetcher(tool: str) -> Fetcher:
        return Fetcher(
            tool,
            seconds=settings.http_seconds,
            max_bytes=settings.http_max_kb * 1024,
            allow=allow,
            resolve=resolve,
            verify=verify,
        )

    return [
        HttpGet(fetcher("http.get")),
        WebSearch(fetcher("web.search"), settings.search_url, settings.search_page),
    ]
