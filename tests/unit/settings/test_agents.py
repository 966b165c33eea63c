"""Settings of the factory: read from the environment, checked, with errors that name the variable."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nextgeneration.settings import AgentFactoryConfig
from nextgeneration.settings.errors import SettingInvalid


def test_defaults_are_those_users_were_told() -> None:
    config = AgentFactoryConfig()
    assert config.preload_templates == ["documentaliste", "genie_logiciel", "hardware"]
    assert (config.ttl_seconds, config.max_agents, config.enable_hot_reload) == (300, 10_000, True)
    assert config.log_level == "INFO"


@pytest.mark.parametrize(("environment", "seconds"), [("standard", 300), ("development", 60), ("production", 600)])
def test_the_environment_decides_how_long_templates_are_cached(
    monkeypatch: pytest.MonkeyPatch, environment: str, seconds: int
) -> None:
    monkeypatch.setenv("NG_ENVIRONMENT", environment)
    assert AgentFactoryConfig().ttl_seconds == seconds
    monkeypatch.setenv("NG_CACHE_TTL_SECONDS", "5")
    assert AgentFactoryConfig().ttl_seconds == 5


def test_every_field_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = {
        "NG_TEMPLATES_DIR": str(tmp_path),
        "NG_PRELOAD_TEMPLATES": '["a", "b"]',
        "NG_ENABLE_HOT_RELOAD": "false",
        "NG_MAX_AGENTS": "7",
        "NG_LOG_LEVEL": "debug",
        "NG_CACHE_SIZE": "3",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    config = AgentFactoryConfig()
    assert (config.templates_dir, config.preload_templates) == (tmp_path, ["a", "b"])
    assert (config.enable_hot_reload, config.max_agents, config.log_level) == (False, 7, "DEBUG")
    assert config.cache_size == 3


@pytest.mark.parametrize(("name", "value"), [("NG_MAX_AGENTS", "hunter2"), ("NG_PRELOAD_TEMPLATES", "[hunter2")])
def test_a_wrong_value_names_the_variable_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingInvalid) as caught:
        AgentFactoryConfig()
    text = str(caught.value)
    assert name.removeprefix("NG_").lower() in text.lower()
    assert "hunter2" not in text
    assert caught.value.exit_code == 2


def test_assignments_are_checked_and_told() -> None:
    config, told = AgentFactoryConfig(), list[str]()
    config.subscribe(told.append)
    config.max_agents = 5
    config.templates_dir = "elsewhere"  # type: ignore[assignment]
    with pytest.raises(SettingInvalid, match="NG_MAX_AGENTS"):
        config.max_agents = 0
    assert (config.max_agents, config.templates_dir) == (5, Path("elsewhere"))
    assert told == ["max_agents", "templates_dir"]


def test_a_wrong_value_is_one_line_for_a_program_that_only_imports() -> None:
    code = "from nextgeneration.settings import settings"
    run = subprocess.run([sys.executable, "-c", code], env={"NG_MAX_AGENTS": "x"}, capture_output=True, text=True)
    assert run.returncode == 1
    assert "NG_MAX_AGENTS" in run.stderr.splitlines()[-1]


def test_reading_the_environment_again_tells_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    config, told = AgentFactoryConfig(), list[str]()
    config.subscribe(told.append)
    config.max_agents = 5
    monkeypatch.setenv("NG_LOG_LEVEL", "debug")
    config.reload()
    assert (config.max_agents, config.log_level) == (10_000, "DEBUG")
    assert told == ["max_agents", "max_agents", "log_level"]
