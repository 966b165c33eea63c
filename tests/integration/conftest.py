"""What the fault tests stand on: a world that witnesses, and lives to take."""

import pytest
from tests.integration.faults_driver_world import Lives, World


@pytest.fixture
def world():
    """The effect server."""
    world = World()
    yield world
    world.close()


@pytest.fixture
def lives(tmp_path, world):
    """Processes of one installation, to be killed."""
    lives = Lives(tmp_path, world)
    yield lives
    lives.close()
