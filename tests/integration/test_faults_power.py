"""F5: power loss. What was acknowledged is on disk, and what may have been done outside is known to have been begun.

Every sync of a database file copies it to another folder: what is there is what the disk certainly holds. A power loss
at any instant leaves no less than that; the test takes it at its word and leaves no more.
"""

import shutil
import signal
import subprocess

import pytest
from tests.integration.faults_driver import template
from tests.integration.faults_driver_world import Lives, Server, heard
from tests.integration.test_faults_kills import judged

SHIM = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void forget_deleted(const char *folder, const char *kept) {
    DIR *entries = opendir(kept);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        char real[4000], copy[4000];
        snprintf(real, sizeof real, "%s/%s", folder, entry->d_name);
        snprintf(copy, sizeof copy, "%s/%s", kept, entry->d_name);
        if (strstr(copy, "nextgen.db") && access(real, F_OK)) unlink(copy);
    }
    if (entries) closedir(entries);
}

static void keep(int fd) {
    char link[64], path[2000] = "", kept[3000], fresh[3100], buffer[65536];
    struct stat what;
    const char *disk = getenv("FAULTS_DISK");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0 || !disk || fstat(fd, &what)) return;
    snprintf(kept, sizeof kept, "%s%s", disk, path);
    if (S_ISDIR(what.st_mode)) forget_deleted(path, kept);
    if (!S_ISREG(what.st_mode) || !strstr(path, "nextgen.db")) return;
    for (char *slash = kept + strlen(disk) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        mkdir(kept, 0700);
    }
    snprintf(fresh, sizeof fresh, "%s.fresh", kept);
    int out = open(fresh, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    for (off_t at = 0; (n = pread(fd, buffer, sizeof buffer, at)) > 0; at += n)
        if (write(out, buffer, n) != n) abort();
    close(out);
    rename(fresh, kept);
}

#define SYNC(name) \
    int name(int fd) { \
        int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, #name); \
        int result = real(fd); \
        if (result == 0) keep(fd); \
        return result; \
    }
SYNC(fsync)
SYNC(fdatasync)
"""


@pytest.fixture
def disk(tmp_path):
    """A folder that holds what was synced, and a fork server whose children sync into it."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("a power loss can be shown only where there is a C compiler")
    source, shim, disk = tmp_path / "shim.c", tmp_path / "shim.so", tmp_path / "disk"
    source.write_text(SHIM)
    disk.mkdir()
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True, timeout=60)
    server = Server(tmp_path, argv=["env", f"LD_PRELOAD={shim}", f"FAULTS_DISK={disk}"])
    yield disk, server
    server.close()


def lose_power(disk, root):
    """Leave what the disk certainly holds, and nothing else."""
    home = root / "home"
    for path in home.glob("nextgen.db*"):
        path.unlink()
    for path in (disk / str(home).lstrip("/")).glob("nextgen.db*"):
        shutil.copy(path, home / path.name)


def after_power_losses(disk, server, world, root, **weakened):
    """Lose power at the first pass of each boundary: the missions accepted, what became of all, calls made twice."""
    lives = Lives(server, world)
    template(root / "templates", "trial", calls=["blind"], actions=1, kind="blind")
    said = lives.whole(root, accept=[["clean", "trial"]])
    (trace,) = heard(said, "passed")
    accepted = heard(said, "accepted")
    first = {}
    for place, (boundary, _) in enumerate(trace):
        first.setdefault(boundary, place)
    for boundary, place in first.items():
        code, said = lives.end(lives.start(root, accept=[[boundary, "trial"]], strike=place, **weakened))
        assert code == -signal.SIGKILL
        lose_power(disk, root)
        accepted += heard(said, "accepted")
    lives.whole(root, all=True)
    twice = [key for key, n in world.times().items() if n > 1 and key.endswith("world.blind")]
    return accepted, judged(root), twice


@pytest.mark.slow
def test_after_a_power_loss_everything_acknowledged_is_there_and_nothing_is_silently_repeated(tmp_path, disk, world):
    accepted, found, twice = after_power_losses(*disk, world, tmp_path / "root")
    assert set(accepted) <= set(found), "each acknowledged mission is there"
    assert {status for status, *_ in found.values()} == {"done"}
    assert twice == []


@pytest.mark.slow
def test_the_same_losses_show_a_database_that_syncs_less(tmp_path, disk, world):
    """The test above bites: with ``synchronous=NORMAL`` acknowledged missions are gone, or calls are made twice."""
    accepted, found, _ = after_power_losses(*disk, world, tmp_path / "root", synchronous="NORMAL")
    assert set(accepted) - set(found)
