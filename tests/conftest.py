"""What all suites share."""

import os
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, settings

# Several suites run at once on few cores: a slow example is no failure.
settings.register_profile("ours", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")

INSTALL = "apt-get install bubblewrap (or your system's package)"


def confinement_works() -> bool:
    if shutil.which("bwrap") is None:
        return False
    argv = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"]
    return subprocess.run(argv, capture_output=True, check=False, timeout=20).returncode == 0


def pytest_collection_modifyitems(items):
    needing = [item for item in items if item.get_closest_marker("bubblewrap")]
    if not needing or confinement_works():
        return
    if os.environ.get("CI") == "true":
        raise pytest.UsageError(f"{len(needing)} tests need bubblewrap, which does not work here: {INSTALL}")
    for item in needing:
        item.add_marker(pytest.mark.skip(reason=f"not run: needs bubblewrap; {INSTALL}"))


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory, monkeypatch):
    """No test uses the user's own NG_HOME, keys or models, and messages are English unless a test says so."""
    monkeypatch.setenv("NG_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("NG_LANG", "en")
    monkeypatch.setenv("NG_MODELS_DISCOVER", "false")
