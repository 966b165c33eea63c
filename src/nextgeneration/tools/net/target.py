"""One parser for addresses: what it reads is what is checked, shown and dialled."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import SplitResult, quote, urlsplit

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import escaped, shortened
from nextgeneration.tools.net.errors import UrlRefused

LONGEST_URL = 8_192
_PORTS = {"http": 80, "https": 443}
# Above 1023 these are spoken by databases and other services that a forged HTTP request can command.
_REFUSED_PORTS = frozenset(
    {1099, 2049, 2375, 2376, 2379, 3306, 4045, 5432, 5984, 6000, 6379, 6666, 6667, 9200, 11211, 27017}
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")

_LONG = Texts("it is too long", "elle est trop longue")
_CHARACTERS = Texts(
    "it holds spaces, control characters or backslashes", "elle contient espace, contrôle ou barre inverse"
)
_SCHEME = Texts("only http and https are fetched", "seuls http et https sont admis")
_USER = Texts("it names a user or password", "elle nomme un utilisateur ou un mot de passe")
_HOST = Texts("its host name is not valid", "son nom d'hôte n'est pas valide")
_NUMBER = Texts("its host is a number in disguise", "son hôte est un nombre déguisé")
_PORT = Texts("this port is not for the web", "ce port n'est pas un port du web")


class Target(NamedTuple):
    """A checked address in its parts. ``host`` is lower-case ASCII, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        """Host and port as they stand in a URL and in the ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address, written anew from its parts."""
        return f"{self.scheme}://{self.netloc}{self.path}"

    def at(self, address: str) -> str:
        """The same address with the host replaced by the network address to be dialled."""
        host = f"[{address}]" if ":" in address else address
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def target(url: str, *, any_port: bool = False) -> Target:
    """Take ``url`` apart.

    Raises:
        UrlRefused: it is not a plain web address, or could be read in two ways.
    """
    shown = escaped(shortened(url, 200), newlines=False)
    if len(url) > LONGEST_URL:
        raise UrlRefused(url=shown, reason=_LONG)
    if "\\" in url or any(c <= " " or c == "\x7f" or c.isspace() for c in url):
        raise UrlRefused(url=shown, reason=_CHARACTERS)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused(url=shown, reason=_HOST) from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise UrlRefused(url=shown, reason=_SCHEME)
    if "@" in parts.netloc:
        raise UrlRefused(url=escaped(f"{scheme}://…@{parts.hostname}"), reason=_USER)
    host, reason = _host(parts)
    if reason is not None:
        raise UrlRefused(url=shown, reason=reason)
    port = _PORTS[scheme] if port is None else port
    if not any_port and ((port < 1024 and port not in _PORTS.values()) or port in _REFUSED_PORTS):
        raise UrlRefused(url=shown, reason=_PORT)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return Target(scheme, host, port, f"{path}?{query}" if query else path)


def _host(parts: SplitResult) -> tuple[str, Texts | None]:
    """The host in its one form, or why it has none."""
    written = parts.hostname or ""
    if "%" in written:
        return "", _HOST
    if "[" in parts.netloc:
        try:
            return str(ipaddress.IPv6Address(written)), None
        except ValueError:
            return "", _HOST
    try:
        host = written if written.isascii() else written.encode("idna").decode("ascii")
    except UnicodeError:
        return "", _HOST
    host = host.lower()
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return "", _HOST
    # 127.1, 0x7f000001, 017700000001 and 2130706433 are all read as 127.0.0.1 by some resolver.
    if labels[-1].isdigit() or re.fullmatch(r"0x[0-9a-f]*", labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host)), None
        except ValueError:
            return "", _NUMBER
    return host, None


def host_of(url: str) -> str:
    """The host of ``url`` in its one form, for permission patterns; the text itself when it is refused."""
    try:
        return target(url, any_port=True).host
    except UrlRefused:
        return url
