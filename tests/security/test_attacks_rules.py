"""Calls that would slip past a rule, or ask for what cannot work (A14, A19)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.security.attack_bench import Bench, bench

from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.testing.tools import FakeTool
from nextgeneration.tools import fs
from nextgeneration.tools.errors import NetworkOff

__all__ = ["bench"]


async def test_no_link_leads_past_a_rule(bench: Bench) -> None:
    """What is denied or asked is meant wherever it is, and what is allowed must be so where it really is."""
    (bench.workspace / "secret").mkdir()
    (bench.workspace / "secret" / "a.txt").write_text("canary-72")
    (bench.workspace / "docs").mkdir()
    (bench.workspace / "docs" / "way").symlink_to("../secret/a.txt")
    (bench.workspace / "docs" / "here.txt").write_text("x")
    read = {"id": "r", "tool": "fs.read", "with": {"path": "docs/way"}, "on_error": "continue"}
    bench.template("asked", [read], permissions={"ask": ["fs.read(secret/*)"]})
    look = FakeTool("t.look", effect=EffectRule.IDEMPOTENT, risk=RiskLabel.WRITE)
    for name, path in (("plain", "docs/here.txt"), ("led", "docs/way")):
        step = {"id": "s", "tool": "t.look", "with": {"path": path}}
        bench.template(name, [step], permissions={"allow": ["t.look(docs/*)"]})
    async with bench.open(tools=[look, *fs.tools(ToolSettings())]) as services:
        assert len((await bench.run(services, "asked")).pending) == 1
        assert (await bench.run(services, "plain")).pending == ()
        assert len((await bench.run(services, "led")).pending) == 1


@pytest.mark.parametrize("permissions", [{}, {"ask": ["http.get"]}])
async def test_no_question_is_put_for_a_network_that_was_not_granted(bench: Bench, permissions: dict[str, Any]) -> None:
    """Without ``--network`` a network tool fails as a reported failure: the mission waits for nobody."""
    get = {"id": "g", "tool": "http.get", "with": {"url": "https://example.com/"}, "on_error": "continue"}
    bench.template("eve", [get], permissions=permissions)
    async with bench.open() as services:
        off = await bench.run(services, "eve")
        assert off.pending == ()
        assert off.report.tasks[0].problems[0]["code"] == NetworkOff.code
        assert len((await bench.run(services, "eve", network=True)).pending) == 1, "with it, a human is asked"
