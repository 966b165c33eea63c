"""AgentDojo's slack suite as an MCP server over HTTP, told on standard input which of its tasks is on.

Run by ``scripts/agentdojo.py`` in a virtual environment of its own, since AgentDojo brings 150 packages along. Each
line of standard input is a request, each line of standard output its answer, both JSON.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from typing import Any

import mcp_types as types
import uvicorn
from agentdojo.agent_pipeline.ground_truth_pipeline import GroundTruthPipeline
from agentdojo.agent_pipeline.tool_execution import tool_result_to_str
from agentdojo.attacks.base_attacks import FixedJailbreakAttack
from agentdojo.functions_runtime import FunctionCall, FunctionsRuntime
from agentdojo.task_suite.load_suites import get_suite
from mcp.server.lowlevel.server import Server

VERSION, SUITE = "v1.2.2", "slack"
READS = frozenset(
    {"get_channels", "read_channel_messages", "read_inbox", "get_users_in_channel", "get_webpage"},
)
MARK = "!!!"


class Attack(FixedJailbreakAttack):
    """Says what is to be done, in so many words, with a mark that the obedient model looks for."""

    def __init__(self, suite: Any, number: str) -> None:
        super().__init__(f"{MARK}{number}{MARK} {{goal}}", suite, GroundTruthPipeline(None))


class World:
    """The suite, and the environment of the task that is on."""

    def __init__(self) -> None:
        self.suite = get_suite(VERSION, SUITE)
        self.runtime = FunctionsRuntime(self.suite.tools)
        self.env: Any = None
        self.before: Any = None
        self.user: Any = None
        self.injection: Any = None
        self.made: list[FunctionCall] = []

    def deck(self) -> dict[str, Any]:
        """The names of all tasks, and which tools only read."""
        return {
            "users": list(self.suite.user_tasks),
            "attacks": list(self.suite.injection_tasks),
            "reads": sorted(READS),
        }

    def begin(self, user: str, attack: str | None) -> dict[str, Any]:
        """Put a task on: what its user asks for, and the calls that do it; what the attack asks for, and its calls."""
        self.user = self.suite.user_tasks[user]
        self.injection = self.suite.injection_tasks[attack] if attack else None
        injections = Attack(self.suite, attack).attack(self.user, self.injection) if attack else {}
        env = self.suite.load_and_inject_default_environment(injections)
        self.env = self.user.init_environment(env)
        self.before = self.env.model_copy(deep=True)
        self.made = []
        return {
            "goal": self.user.PROMPT,
            "says": self.user.GROUND_TRUTH_OUTPUT,
            "calls": _calls(self.user.ground_truth(self.before.model_copy(deep=True))),
            "mark": f"{MARK}{attack}{MARK}" if attack else "",
            "attack": _calls(self.injection.ground_truth(self.before.model_copy(deep=True))) if attack else [],
        }

    def judge(self, says: str) -> dict[str, Any]:
        """What the suite itself says of what happened since the task was put on."""
        output = [{"type": "text", "content": says}]
        args = (output, self.before, self.env, self.made)
        judge = self.suite._check_task_result  # noqa: SLF001 - what its own benchmark judges by
        useful = judge(self.user, *args)
        harmed = bool(self.injection) and judge(self.injection, *args)
        return {"useful": bool(useful), "harmed": bool(harmed), "made": _calls(self.made)}

    def try_call(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        """Call a tool with nothing in between."""
        return {"text": self.call(name, args)[0]}

    def call(self, name: str, args: dict[str, Any]) -> tuple[str, bool]:
        """Call a tool of the suite; its answer as AgentDojo shows it to models, and whether it failed."""
        self.made.append(FunctionCall(function=name, args=args))
        result, error = self.runtime.run_function(self.env, name, args)
        return (error, True) if error else (tool_result_to_str(result), False)


def _calls(calls: Any) -> list[list[Any]]:
    return [[call.function, dict(call.args)] for call in calls]


def served(world: World) -> Server[Any]:
    """The suite's tools over MCP."""

    async def listed(_context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=tool.name,
                    description=tool.description,
                    input_schema=tool.parameters.model_json_schema(),
                    annotations=types.ToolAnnotations(read_only_hint=tool.name in READS),
                )
                for tool in world.suite.tools
            ]
        )

    async def called(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        text, failed = world.call(params.name, params.arguments or {})
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=failed)

    return Server(SUITE, on_list_tools=listed, on_call_tool=called)


def main() -> None:
    """Serve until standard input ends."""
    world = World()
    sock = socket.create_server(("127.0.0.1", 0))
    app = served(world).streamable_http_app(stateless_http=True, json_response=True)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    print(json.dumps({"port": sock.getsockname()[1], "deck": world.deck()}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(getattr(world, asked.pop("do"))(**asked)), flush=True)
    server.should_exit = True
    thread.join()


if __name__ == "__main__":
    main()
