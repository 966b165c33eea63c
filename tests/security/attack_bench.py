"""What the attack suites share: services over real tools, hostile templates, and how a card is answered."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from nextgeneration.agents.manager import TemplateManager
from nextgeneration.kernel.tools import Tool
from nextgeneration.missions.schema import MissionBudget, MissionOptions, MissionRequest
from nextgeneration.services.assembly import Services, open_services
from nextgeneration.settings.agents import AgentFactoryConfig
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.supervisor.service import Outcome
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.templates.trust import Trust

ME = "human:ada"
NEXTGEN = [sys.executable, "-c", "from nextgeneration.cli.main import main; main()"]


class Bench:
    """One installation: a folder of templates, a workspace, an NG_HOME."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.templates, self.workspace, self.home = root / "templates", root / "work", root / "home"
        self.templates.mkdir()
        self.workspace.mkdir()

    @property
    def database(self) -> Path:
        return self.home / "nextgen.db"

    def template(self, name: str, playbook: list[dict[str, Any]] | None = None, **more: Any) -> None:
        route = {"route": name, "keywords": [name]}
        data = {"name": name, "role": "worker", "domain": "tests", "supervisor_route": route, **more}
        if playbook is not None:
            data["playbook"] = playbook
        (self.templates / f"{name}.json").write_text(json.dumps(data))

    def open(
        self, *, tools: Iterable[Tool] | None = None, builtin: bool = False, **limits: Any
    ) -> AbstractAsyncContextManager[Services]:
        config = AgentFactoryConfig(templates_dir=self.templates, enable_hot_reload=False, preload_templates=[])
        trust = Trust(self.home / "trusted-templates.json")
        manager = TemplateManager(
            config, TemplateLibrary(self.templates, builtin=builtin, check_seconds=0, trust=trust)
        )
        return open_services(
            self.workspace,
            storage_settings=StorageSettings(home=self.home),
            mission_settings=MissionSettings(**limits),
            tools=tools,
            templates=manager,
        )

    async def run(self, services: Services, agent: str, goal: str = "", **options: Any) -> Outcome:
        request = MissionRequest(
            goal=goal or f"{agent} please",
            workspace=str(self.workspace),
            budget=options.pop("budget", MissionBudget()),
            options=MissionOptions(agents=(agent,), **options),
        )
        mission = await services.missions.accept(request)
        return await services.worker.run(mission.id)

    async def approved(self, services: Services, outcome: Outcome) -> Outcome:
        """Approve everything that waits, by its digest, and go on to the end."""
        while outcome.pending:
            for ref in outcome.pending:
                asked = await services.approvals.get(ref)
                await services.approvals.decide(ref, "approved", by=ME, digest=asked.digest)
            outcome = await services.worker.run(outcome.mission)
        return outcome

    def sql(self, statement: str, *values: Any) -> list[Any]:
        """What somebody who can write the database file does to it."""
        connection = sqlite3.connect(self.database, timeout=10)
        try:
            rows = connection.execute(statement, values).fetchall()
            connection.commit()
            return rows
        finally:
            connection.close()

    def nextgen(
        self, *args: str, env: dict[str, str] | None = None, timeout: float = 60, **more: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """The command line as a user has it, without a terminal."""
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(
            [*NEXTGEN, *args],
            env={**os.environ, "NG_HOME": str(self.home), "NG_LANG": "en", **(env or {})},
            cwd=self.root,
            capture_output=True,
            timeout=timeout,
            **more,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def shell(line: str, **args: Any) -> dict[str, Any]:
    return {"id": "run", "tool": "shell.run", "with": {"line": line, **args}}


def everything(*folders: Path) -> bytes:
    """All bytes of all files below ``folders``, with their names."""
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            found.append(os.fsencode(path))
            if path.is_file() and not path.is_symlink():
                found.append(path.read_bytes())
    return b"\n".join(found)
