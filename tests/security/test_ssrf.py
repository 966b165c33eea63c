"""A11 and A24: no spelling of an address, no redirect and no resolver leads a fetch inside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.tools import Tool, ToolContext, ToolResult
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools.base import parse_args
from nextgeneration.tools.net import tools
from nextgeneration.tools.net.addresses import refusal
from nextgeneration.tools.net.errors import AddressRefused, TooManyRedirects, UrlRefused
from nextgeneration.tools.net.target import target


class Inside:
    """A service on loopback that must not be reached unless a test allows it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.redirects: dict[str, str] = {}
        inside = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                inside.seen.append((self.path, self.headers["Host"]))
                to = inside.redirects.get(self.path)
                self.send_response(302 if to else 200)
                if to:
                    self.send_header("Location", to)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", "6")
                self.end_headers()
                self.wfile.write(b"secret")

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def inside() -> Iterator[Inside]:
    service = Inside()
    yield service
    service.close()


def getter(**parts: Any) -> Tool:
    return tools(ToolSettings(http_seconds=5), **parts)[0]


async def get(tool: Tool, url: str, folder: Path) -> ToolResult:
    return await tool.call(parse_args(tool, {"url": url}), ToolContext(folder, folder, network=True))


SPELLINGS = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0x0.0x0.0x1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127。0。0。1:{port}/",
    "http://example.com@127.0.0.1:{port}/",
    "http://user:secret@127.0.0.1:{port}/",
    "http://127.0.0.1%00.example.com:{port}/",
    "http://127.0.0.1\0.example.com:{port}/",
    "http://127.0.0.1\\@example.com:{port}/",
    "http://example.com\\.127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\t/",
    "http:///127.0.0.1:{port}/",
    "http:127.0.0.1:{port}",
    "//127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_x",
    "ftp://127.0.0.1/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://168.63.129.16/machine",
    "http://100.100.100.200/latest/meta-data",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://240.0.0.1/",
    "http://[ff02::1]/",
    "http://[fc00::1]/",
    "http://[2001:db8::1]/",
    "http://[2001:0:1::1]/",
    "http://[",
    "http://example.com:99999/",
    "http://" + "a" * 64 + ".com/",
    "http://a..b/",
    "http://-a.com/",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_spelling_reaches_inside(inside: Inside, tmp_path: Path, spelling: str) -> None:
    with pytest.raises((UrlRefused, AddressRefused)) as refused:
        await get(getter(), spelling.format(port=inside.port), tmp_path)
    assert inside.seen == []
    for lang in ("en", "fr"):
        assert "secret" not in refused.value.message(lang)
        assert refused.value.hint(lang)


@pytest.mark.parametrize("port", [22, 25, 110, 2375, 3306, 5432, 6379, 11211, 27017])
def test_ports_of_other_protocols_are_refused(port: int) -> None:
    with pytest.raises(UrlRefused):
        target(f"http://example.com:{port}/")


async def test_one_forbidden_address_among_public_ones_spoils_the_answer(inside: Inside, tmp_path: Path) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "127.0.0.1"]

    with pytest.raises(AddressRefused):
        await get(getter(resolve=resolve), f"http://rebind.example:{inside.port}/", tmp_path)
    assert inside.seen == []


async def test_what_was_checked_is_dialled_even_when_the_resolver_changes_its_mind(
    inside: Inside, tmp_path: Path
) -> None:
    """DNS rebinding: the second answer would be loopback; there is no second question."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    tool = getter(resolve=resolve, allow=frozenset({f"127.0.0.1:{inside.port}"}))
    result = await get(tool, f"http://docs.example:{inside.port}/a?b=c#d", tmp_path)
    assert result.ok
    assert asked == ["docs.example"]
    assert inside.seen == [("/a?b=c", f"docs.example:{inside.port}")]
    with pytest.raises(AddressRefused):
        await get(tool, f"http://docs.example:{inside.port}/", tmp_path)


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{other}/",
        "http://2130706433:{other}/",
        "//localhost:{other}/",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "http://u:p@localhost:{other}/",
        "http://[::1",
        "\\\\localhost\\x",
    ],
)
async def test_each_redirect_is_checked_like_the_first_address(tmp_path: Path, location: str) -> None:
    outside, inner = Inside(), Inside()
    try:
        outside.redirects["/go"] = location.format(other=inner.port)
        tool = getter(allow=frozenset({f"127.0.0.1:{outside.port}"}))
        with pytest.raises((UrlRefused, AddressRefused)):
            await get(tool, f"http://127.0.0.1:{outside.port}/go", tmp_path)
        assert inner.seen == []
        assert len(outside.seen) == 1
    finally:
        outside.close()
        inner.close()


async def test_redirects_end(inside: Inside, tmp_path: Path) -> None:
    inside.redirects.update({f"/{n}": f"/{n + 1}" for n in range(10)})
    tool = getter(allow=frozenset({f"127.0.0.1:{inside.port}"}))
    with pytest.raises(TooManyRedirects):
        await get(tool, f"http://127.0.0.1:{inside.port}/0", tmp_path)
    assert len(inside.seen) == 6
    result = await get(tool, f"http://127.0.0.1:{inside.port}/6", tmp_path)
    assert len(result.value["redirects"]) == 4


async def test_a_search_service_of_the_settings_may_be_private_but_not_lead_elsewhere(tmp_path: Path) -> None:
    outer, inner = Inside(), Inside()
    try:
        outer.redirects["/search?q=x&format=json"] = f"http://127.0.0.1:{inner.port}/"
        service = f"http://127.0.0.1:{outer.port}"
        search = tools(ToolSettings(http_seconds=5, search_url=service))[1]
        context = ToolContext(tmp_path, tmp_path, network=True)
        with pytest.raises(AddressRefused):
            await search.call(parse_args(search, {"query": "x"}), context)
        assert inner.seen == []
    finally:
        outer.close()
        inner.close()


async def test_without_the_grant_nothing_is_even_resolved(tmp_path: Path) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise AssertionError("asked")

    for tool, args in zip(
        tools(ToolSettings(), resolve=resolve), ({"url": "http://a.b/"}, {"query": "x"}), strict=True
    ):
        with pytest.raises(NGError) as refused:
            await tool.call(parse_args(tool, args), ToolContext(tmp_path, tmp_path))
        assert refused.value.code == "NG-TOOL-004"


@settings(max_examples=200, deadline=None)
@given(st.ip_addresses(network="::ffff:0:0/96") | st.ip_addresses(network="64:ff9b::/96") | st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_each_of_its_forms(address: Any) -> None:
    number = int(address) & 0xFFFFFFFF
    plain = ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
    assert (refusal(str(address)) is None) == (refusal(plain) is None)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"https?://[\w.@:\[\]%\\/-]{0,40}", fullmatch=True))
def test_whatever_the_text_the_parser_refuses_or_gives_one_stable_reading(text: str) -> None:
    """What is shown, checked and dialled is the same: reading the result again changes nothing."""
    try:
        found = target(text)
    except UrlRefused:
        return
    again = target(found.url)
    assert again == found
    assert "@" not in found.netloc
    assert found.host == found.host.lower()


def test_public_addresses_pass() -> None:
    assert [refusal(one) for one in ("93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822")] == [None] * 3
    assert refusal("nonsense") is not None
    assert asyncio.iscoroutinefunction(getter().call)
