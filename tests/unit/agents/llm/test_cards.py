"""What a model wants to do at once is asked for once, and decided together."""

from __future__ import annotations

from typing import Any

import pytest

from nextgeneration.agents.runtimes.gathering import Gathered
from nextgeneration.agents.runtimes.thinking.calls import Calls
from nextgeneration.agents.runtimes.thinking.compiled import compiled
from nextgeneration.kernel.canonical import canonical
from nextgeneration.kernel.models import ModelAnswer
from nextgeneration.missions.errors import EffectRefused
from nextgeneration.missions.grants import Grant
from nextgeneration.missions.judging import identity
from nextgeneration.missions.together import Card
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.testing.thinking import InstantWorld, calling
from nextgeneration.tools.fs import tools

GRANT = Grant("apr_1", "human:ada", ())


class Asking(InstantWorld):
    """A world whose human answers each card as told, and that remembers under which right calls were made."""

    def __init__(self, root: Any, answer: Any) -> None:
        super().__init__(None, tools(ToolSettings()), workspace=root)
        self.answer = answer
        self.cards: list[tuple[str, list[str]]] = []
        self.rights: list[Any] = []

    async def together(self, calls: Any, key: str) -> Any:
        self.cards.append((key, [name for name, _ in calls]))
        return self.answer(frozenset(identity(name, args) for name, args in calls))

    def call(self, tool: str, args: Any, *, grant: Any = None) -> Any:
        self.rights.append((tool, grant))
        return super().call(tool, args)


async def made(world: Asking, revision: Any, *calls: Any) -> list[Any]:
    specs = tuple(world.spec(name) for name in ("fs.read", "fs.write"))
    talk = Calls(compiled(revision, "en", specs), Gathered(), world, "en")
    answer: ModelAnswer = calling(*calls)
    return await talk.make(answer, [canonical([call.name, call.args]) for call in answer.calls])


@pytest.fixture
def revision(bench):
    return bench.revision(tools=["fs.read", "fs.write"])


WRITES = [("fs.write", {"path": f"{name}.md", "content": "x"}) for name in "ab"]


async def test_calls_that_may_ask_stand_on_one_card_and_are_made_with_its_right(tmp_path, revision):
    (tmp_path / "c.md").write_text("read")
    world = Asking(tmp_path, lambda digests: Card(digests, GRANT))
    told = await made(world, revision, WRITES[0], ("fs.read", {"path": "c.md"}), WRITES[1])
    assert world.cards == [("calls:1", ["fs.write", "fs.write"])]
    assert world.rights == [("fs.write", GRANT), ("fs.read", None), ("fs.write", GRANT)]
    assert [message.failed for message in told] == [False, False, False]
    assert (tmp_path / "a.md").read_text() == (tmp_path / "b.md").read_text() == "x"


async def test_a_card_that_is_refused_lets_the_others_go_on(tmp_path, revision):
    (tmp_path / "c.md").write_text("read")
    world = Asking(tmp_path, lambda digests: Card(digests, refused=EffectRefused(tool="fs.write", why="ada said no")))
    told = await made(world, revision, WRITES[0], ("fs.read", {"path": "c.md"}), WRITES[1])
    assert [message.failed for message in told] == [True, False, True]
    assert "ada said no" in told[0].text
    assert world.rights == [("fs.read", None)]
    assert not (tmp_path / "a.md").exists()


async def test_one_call_that_may_ask_needs_no_card_of_ours(tmp_path, revision):
    (tmp_path / "c.md").write_text("read")
    world = Asking(tmp_path, lambda _: None)
    await made(world, revision, WRITES[0], ("fs.read", {"path": "c.md"}))
    await made(world, revision, ("fs.read", {"path": "c.md"}), ("fs.read", {"path": "a.md"}))
    assert world.cards == []
    await made(world, revision, *WRITES)
    assert world.cards == [("calls:1", ["fs.write", "fs.write"])]
    assert [grant for _, grant in world.rights] == [None] * 6
