"""Servers that are scripts in a folder, for the tests of remote tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.unit.tools.mcp_desk import CHAT, Desk, children


@pytest.fixture
async def desk(tmp_path: Path) -> Any:
    before = {child.pid for child in children()}
    desk = Desk(tmp_path)
    yield desk
    await desk.remote.close()
    left = [child for child in children() if child.pid not in before]
    psutil.wait_procs(left, timeout=10)
    assert [child for child in children() if child.pid not in before] == [], "a server was left behind"


@pytest.fixture
async def chat(desk: Desk) -> Desk:
    desk.script("chat", CHAT, env=["CHAT_KEY"])
    await desk.remote.refresh("chat")
    return desk
