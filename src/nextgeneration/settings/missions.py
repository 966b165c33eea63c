"""Settings of missions."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from nextgeneration.settings.group import SettingsGroup


class MissionSettings(SettingsGroup):
    """Limits and defaults of missions, and what a human allowed once for all."""

    mission_tool_calls: int = Field(default=500, gt=0, description="tool calls a mission may make if it does not say")
    mission_seconds: float = Field(
        default=900.0, gt=0, description="seconds a mission may work if it does not say; waiting is not counted"
    )
    mission_credits: Decimal = Field(
        default=Decimal(100), ge=0, description="credits a mission may spend on models if it does not say"
    )
    mission_max_credits: Decimal = Field(
        default=Decimal(1_000_000), ge=0, description="most credits a mission may ask for"
    )
    mission_max_tool_calls: int = Field(default=100_000, gt=0, description="most tool calls a mission may ask for")
    mission_max_seconds: float = Field(default=604_800.0, gt=0, description="most seconds a mission may ask for")
    mission_max_goal: int = Field(default=20_000, gt=0, description="longest goal, in characters")
    missions_at_once: int = Field(default=12, gt=0, description="missions one process works on at once")
    tasks_at_once: int = Field(default=8, gt=0, description="tasks of one mission that run in parallel")
    sub_agent_depth: int = Field(
        default=3, ge=0, le=3, description="how deep agents may call agents that call agents; 0 lets none be called"
    )
    sub_agents: int = Field(default=20, gt=0, description="agents that one task may call")
    sub_agents_at_once: int = Field(default=4, gt=0, description="agents called by one task that work in parallel")
    lease_seconds: float = Field(
        default=30.0, gt=0, description="how long a worker holds a mission without renewing, in seconds"
    )
    recover_seconds: float = Field(
        default=10.0,
        gt=0,
        description="how often a process that works on missions looks for those of dead processes, to close what they "
        "hold of shared credits, in seconds",
    )
    approval_days: float = Field(default=7.0, gt=0, description="days after which an approval that nobody gave is a no")
    permissions: tuple[str, ...] = Field(
        default=(),
        description="standing permissions as a JSON list of rules such as `shell.run(git fetch *)`; "
        "they turn a question into a yes for calls that write or use the network, never more",
    )
