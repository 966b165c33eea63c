"""A bench for agents that think: scripted models, scripted tools, and a world in memory."""

import json

import pytest
from pydantic import BaseModel, ConfigDict, Field

from nextgeneration.agents.context import TaskContext
from nextgeneration.agents.runtimes.dispatch import run as run_runtime
from nextgeneration.kernel.actions import Proposal
from nextgeneration.kernel.errors import InternalError
from nextgeneration.kernel.findings import Evidence, Finding, Location, Severity
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.testing.thinking import InstantWorld, ScriptedModel
from nextgeneration.testing.tools import FakeTool

LEAK = Finding(
    rule="pipe.leak",
    title="the pipe leaks",
    severity=Severity.HIGH,
    location=Location(path="pipe.txt", line=3),
    evidence=(Evidence(source="t.look", excerpt="drip"),),
)
MEND = Proposal(tool="t.mend", args={"with": "tape"}, reason="tape it", fixes=(LEAK.id,), group="pipe", rank=2)


class StrictArgs(BaseModel):
    """Arguments that can be wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    city: str = Field(description="which city")
    days: int = Field(default=1, ge=1, le=7)


def broken(_args, _context):
    raise InternalError(kind="X", detail="broken pipe")


class Bench:
    """Runs a template's agent in a world in memory; ``model`` and ``world`` are those of the last run."""

    def __init__(self, folder):
        self.library = TemplateLibrary(folder / "none", builtin=False)
        self.tools = {}
        self.tool("t.echo", lambda args, _c: ToolResult(text=json.dumps(args)))
        self.tool("t.look", lambda _a, _c: ToolResult(findings=(LEAK,), proposals=(MEND,), text="water   drips\nhere"))
        self.tool("t.fail", broken)
        self.tool("t.mend", effect=EffectRule.IDEMPOTENT, risk=RiskLabel.WRITE)
        weather = self.tool("t.weather", lambda args, _c: ToolResult(value={"sky": "sunny", "city": args["city"]}))
        object.__setattr__(weather.spec, "args", StrictArgs)

    def tool(self, name, answer=lambda _a, _c: None, **declared):
        self.tools[name] = FakeTool(name, answer, **declared)
        return self.tools[name]

    def revision(self, **fields):
        fields.setdefault("tools", sorted(self.tools))
        return self.library.resolve({"name": "agent", "role": "worker", "domain": "tests", **fields})

    async def run(
        self, answers, given=None, *, config=None, said=None, lang="en", recall=None, listen=None, world=None, **fields
    ):
        self.model = answers if hasattr(answers, "answer") or answers is None else ScriptedModel(answers)
        self.world = InstantWorld(self.model, self.tools.values(), agent="ada", **(world or {}))
        context = TaskContext(said or {}, door=self.world, task="t1", lang=lang, recall=recall, listen=listen)
        given = {"goal": "mend the pipe"} if given is None else given
        return await run_runtime(self.revision(**fields), given, config or {}, context)

    def calls(self, name="t.echo"):
        return [args for args, _key in self.tools[name].calls]

    def told(self, request=-1):
        """What the model was told in answer to its calls, in the messages of one request."""
        return [m for m in self.model.requests[request].messages if m.role == "tool"]

    def last(self, request=-1):
        return self.model.requests[request].messages[-1]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)
