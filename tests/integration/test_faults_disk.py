"""F6: no room on the disk. A named error, nothing half written, and it works again without a restart."""

import shutil
import subprocess
import sys

import pytest
from tests.integration.faults_driver_world import Lives, Server, heard

FULL = {"NG-STORAGE-005", "NG-STORAGE-006"}
SIZE = 4 << 20


def survives(lives, root, **order):
    """Fill the disk, make room, go on; then a new process finds everything that was acknowledged."""
    said = lives.whole(root, do="fill", **order)
    assert set(heard(said, "refused")) <= FULL
    assert heard(said, "refused"), said
    assert heard(said, "after")[0] > 3, "it worked before"
    assert heard(said, "kept") == [True], "exactly what was acknowledged is there"
    assert heard(said, "again") == [True], "it works again when there is room"


def test_a_file_that_may_not_grow_is_a_named_error_and_nothing_is_lost(tmp_path, lives):
    """The limit of a process on the size of a file: what a quota does."""
    survives(lives, tmp_path, file_limit=2 << 20, filler=str(tmp_path / "filler"))


def test_a_full_disk_is_a_named_error_and_nothing_is_lost(tmp_path, world):
    """A file system of 4 MB, filled to the end."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = (
        f'mount -t tmpfs -o size={SIZE} disk "{disk}" && head -c {SIZE // 2} /dev/zero >"{disk}/filler" && exec "$@"'
    )
    argv = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    tried = shutil.which("unshare") and subprocess.run([*argv, "true"], capture_output=True, timeout=30)
    if not tried or tried.returncode:
        said = tried.stderr.decode().strip() if tried else "no unshare"
        pytest.skip(f"a file system of a fixed size cannot be mounted here: {said} ({sys.platform})")
    server = Server(tmp_path, argv=argv)
    try:
        survives(Lives(server, world), disk, filler=str(disk / "filler"))
    finally:
        server.close()
