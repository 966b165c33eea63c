"""Fetching from the web without being led inside: each hop is resolved, checked, and dialled as checked."""

from __future__ import annotations

import asyncio
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

import httpx2

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import escaped, shortened
from nextgeneration.tools.errors import NetworkFailed
from nextgeneration.tools.net.addresses import refusal
from nextgeneration.tools.net.errors import AddressRefused, TooManyRedirects, UrlRefused, filled
from nextgeneration.tools.net.target import Target, target

MAX_REDIRECTS = 5
MAX_ADDRESSES = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {
    "User-Agent": "NextGeneration/0.1",
    "Accept": "text/html, text/plain, application/json;q=0.9, */*;q=0.5",
    "Accept-Encoding": "gzip, identity",
}

Resolver = Callable[[str, int], Awaitable[list[str]]]

_TIMED_OUT = Texts("no complete answer within {seconds} s", "pas de réponse complète en {seconds} s")
_NO_ADDRESS = Texts("the name has no address", "ce nom n'a pas d'adresse")
_ENCODING = Texts(
    "it uses the encoding {encoding}, which was not asked for", "l'encodage {encoding} n'était pas demandé"
)
_DAMAGED = Texts("its compressed content is damaged", "son contenu compressé est abîmé")
_NO_LOCATION = Texts("it redirects to nowhere", "elle redirige vers nulle part")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A response. ``body`` is decompressed and at most as long as was asked for."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool
    redirects: tuple[str, ...] = ()


async def system_resolver(host: str, port: int) -> list[str]:
    """The addresses the system's resolver gives for ``host``, in its order."""
    loop = asyncio.get_running_loop()
    answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class Fetcher:
    """Fetches public addresses with GET. It has no cookies, credentials, proxies or cache.

    Args:
        tool: the name of the tool it works for, used in errors.
        seconds: time limit of one fetch with all its redirects.
        max_bytes: how much of a body is read.
        allow: ``address:port`` pairs that may be reached although they are not public; only tests
            and services set by the administrator use it.
        resolve: gives the addresses of a host; the system's own by default.
        verify: how certificates are checked; the system's own store by default.
    """

    def __init__(
        self,
        tool: str,
        *,
        seconds: float,
        max_bytes: int,
        allow: frozenset[str] = frozenset(),
        resolve: Resolver = system_resolver,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self._tool = tool
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._allow = allow
        self._resolve = resolve
        self._verify = verify

    async def get(self, url: str, *, trusted: bool = False) -> Fetched:
        """Fetch ``url``, following redirects.

        Args:
            url: the address.
            trusted: the address comes from settings: its own host may be a private one. A redirect
                to another host is checked as always.

        Raises:
            UrlRefused: the address, or one it redirects to, is no plain web address.
            AddressRefused: a host on the way is not a public one.
            TooManyRedirects: more than five.
            NetworkFailed: it could not be reached in time.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return await self._follow(url, trusted)
        except TimeoutError:
            raise self._failed(url, filled(_TIMED_OUT, seconds=self._seconds)) from None

    async def _follow(self, url: str, trusted: bool) -> Fetched:
        first = here = target(url, any_port=trusted)
        passed: list[str] = []
        while True:
            private = trusted and (here.host, here.port) == (first.host, first.port)
            response, location = await self._hop(here, private)
            if location is None:
                return Fetched(
                    here.url, response.status, response.headers, response.body, response.truncated, tuple(passed)
                )
            if len(passed) == MAX_REDIRECTS:
                raise TooManyRedirects(url=first.url, limit=MAX_REDIRECTS)
            passed.append(here.url)
            here = _next(here, location, any_port=trusted)

    async def _hop(self, here: Target, private: bool) -> tuple[Fetched, str | None]:
        failure: httpx2.HTTPError | None = None
        for address in (await self._addresses(here, private))[:MAX_ADDRESSES]:
            try:
                return await self._request(here, address)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise self._failed(here.url, str(error) or type(error).__name__) from error
        raise self._failed(here.url, str(failure) or type(failure).__name__) from failure

    async def _addresses(self, here: Target, private: bool) -> list[str]:
        """The addresses of a host; one that may not be reached spoils all, as in a rebinding answer."""
        try:
            addresses = await self._resolve(here.host, here.port)
        except (OSError, UnicodeError) as error:
            raise self._failed(here.url, getattr(error, "strerror", None) or str(error)) from error
        if not addresses:
            raise self._failed(here.url, _NO_ADDRESS)
        for address in addresses:
            kind = refusal(address)
            if kind is not None and not private and f"{address}:{here.port}" not in self._allow:
                raise AddressRefused(host=here.host, address=address, kind=kind)
        return addresses

    async def _request(self, here: Target, address: str) -> tuple[Fetched, str | None]:
        """One request to one address; the name goes into ``Host`` and the TLS handshake only."""
        transport = httpx2.AsyncHTTPTransport(verify=self._verify or True, trust_env=False)
        async with (
            httpx2.AsyncClient(transport=transport, trust_env=False, timeout=self._seconds, headers=_HEADERS) as client,
            client.stream(
                "GET",
                here.at(address),
                headers={"Host": here.netloc},
                extensions={"sni_hostname": here.host},
                follow_redirects=False,
            ) as response,
        ):
            headers = {name.lower(): value for name, value in response.headers.items()}
            if response.status_code in _REDIRECTS:
                location = headers.get("location")
                if not location:
                    raise self._failed(here.url, _NO_LOCATION)
                return Fetched(here.url, response.status_code, headers, b"", False), location
            body, truncated = await self._body(here, response)
            return Fetched(here.url, response.status_code, headers, body, truncated), None

    async def _body(self, here: Target, response: httpx2.Response) -> tuple[bytes, bool]:
        """The body, decompressed no further than the limit, so that a small bomb stays small."""
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"", "identity", "gzip", "x-gzip"}:
            shown = escaped(shortened(encoding, 40), newlines=False)
            raise self._failed(here.url, filled(_ENCODING, encoding=shown))
        inflate = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
        body = bytearray()
        async for chunk in response.aiter_raw():
            room = self._max_bytes - len(body) + 1
            try:
                body += inflate.decompress(chunk, room) if inflate else chunk[:room]
            except zlib.error:
                raise self._failed(here.url, _DAMAGED) from None
            if len(body) > self._max_bytes:
                return bytes(body[: self._max_bytes]), True
        return bytes(body), False

    def _failed(self, url: str, detail: str | Texts) -> NetworkFailed:
        shown = escaped(shortened(detail, 300), newlines=False) if isinstance(detail, str) else detail
        return NetworkFailed(tool=self._tool, target=escaped(shortened(url, 200), newlines=False), detail=shown)


def _next(here: Target, location: str, *, any_port: bool) -> Target:
    """Where a redirect leads, read by the one parser."""
    try:
        url = urljoin(here.url, location)
    except ValueError:
        raise UrlRefused(url=escaped(shortened(location, 200), newlines=False), reason=_NO_LOCATION) from None
    return target(url, any_port=any_port)
