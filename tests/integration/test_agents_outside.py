"""An agent called in plain Python, with no mission and no services opened, does its real work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, json
from nextgeneration import create_agent

async def main():
    agent = await create_agent("documentaliste", suffix="x")
    answer = await agent.process({"goal": "check the documentation"})
    print(json.dumps({"answer": answer, "info": agent.get_info()}))

asyncio.run(main())
"""


def test_process_outside_a_mission_runs_as_a_mission_of_one_task(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Widgets\n\nHow to use widgets: see [the guide](missing.md).\n")
    env = {"NG_HOME": str(tmp_path / "home"), "HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
    run = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    answer, info = said["answer"], said["info"]
    assert {"agent", "role", "status", "result", "analysis", "findings", "actions", "cost"} <= set(answer)
    assert (answer["agent"], answer["role"]) == ("documentaliste_x", "analyzer")
    assert answer["status"] in {"done", "partial"}
    assert any("missing.md" in json.dumps(finding) for finding in answer["findings"])
    assert all(finding["evidence"] for finding in answer["findings"])
    assert info["performance"]["tasks_completed"] == 1
    assert (tmp_path / "README.md").read_text().startswith("# Widgets")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == ["README.md"]
