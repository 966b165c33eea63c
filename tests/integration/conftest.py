"""What the fault tests stand on: a world that witnesses, and lives to take."""

import pytest
from tests.integration.faults_driver_world import Lives, Server, World


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory):
    """Forks the processes that are to be killed."""
    server = Server(tmp_path_factory.mktemp("lives"))
    yield server
    server.close()


@pytest.fixture
def world():
    """The effect server."""
    world = World()
    yield world
    world.close()


@pytest.fixture
def lives(fork_server, world):
    """Processes of one installation, to be killed."""
    lives = Lives(fork_server, world)
    yield lives
    lives.close()
