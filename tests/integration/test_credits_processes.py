"""The ledger under several processes and under kill -9: no limit is passed, no bill is forgotten."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.integration.credits_driver import AT, LIMIT, POINTS, WORST

from nextgeneration.credits.audit import verify
from nextgeneration.credits.ledger import Ledger
from nextgeneration.credits.schema import Scopes
from nextgeneration.storage.database import Storage

ROOT = Path(__file__).parent.parent.parent
DRIVER = (sys.executable, "-m", "tests.integration.credits_driver")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "home" / "nextgen.db"
    Storage.open(f"sqlite:///{path}").close()
    return path


def child(*args):
    return subprocess.Popen([*DRIVER, *map(str, args)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def crowded(path, processes, calls):
    running = [child("crowd", path, n, calls) for n in range(processes)]
    told = []
    for process in running:
        out, _ = process.communicate(timeout=400)
        assert process.returncode == 0
        told.append(json.loads(out))
    storage = Storage.open(f"sqlite:///{path}")
    wrong = storage.read_sync(verify)
    (standing,) = storage.read_sync(lambda c: Ledger().standings(c, Scopes(user="ada"), AT, (LIMIT,)))
    storage.close()
    assert wrong == []
    assert sum(each["served"] + each["refused"] for each in told) == processes * calls
    return standing, [each for each in told if each["refused"]]


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_sixteen_processes_never_pass_a_limit_and_leave_less_than_one_call(path):
    standing, refusing = crowded(path, 16, 50)
    assert standing.held == 0
    assert standing.spent <= LIMIT.amount, "not by one micro-credit"
    assert refusing, "the limit was tried"
    unused = LIMIT.amount - standing.spent
    assert unused < min(each["smallest"] for each in refusing) <= WORST


@pytest.mark.timeout(200)
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_leaves_the_ledger_exact_or_above_the_bill(path, tmp_path, point):
    """Nothing held: nothing charged. Answer settled: exact. Anything between: the whole hold, unconfirmed."""
    bill = tmp_path / "bill"
    bill.touch()
    process = child("dies", path, bill, "mis_1", point)
    process.communicate(timeout=100)
    assert process.returncode == -signal.SIGKILL
    ledger, storage = Ledger(), Storage.open(f"sqlite:///{path}")
    dead = storage.write_sync(lambda c: ledger.charge_dead(c, "mis_1", 2, AT))
    (standing,) = storage.read_sync(lambda c: ledger.standings(c, Scopes(user="ada"), AT, (LIMIT,)))
    billed = sum(int(line.split()[1]) for line in bill.read_text().splitlines())
    expected = {"begin": 0, "uncommitted": 0, "settled": 60}.get(point, 100)
    assert (standing.spent, standing.held) == (expected, 0)
    assert standing.spent >= billed
    assert [(each.status, each.charged) for each in dead] == ([("unconfirmed", 100)] if expected == 100 else [])
    assert storage.write_sync(lambda c: ledger.charge_dead(c, "mis_1", 3, AT)) == []
    assert storage.read_sync(verify) == []
    storage.close()


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_kills_at_any_moment_never_leave_the_ledger_below_the_bill(path, tmp_path):
    """Twenty calls, each killed wherever it happens to be."""
    bill = tmp_path / "bill"
    bill.touch()
    chance = random.Random(20261121)
    ledger, storage = Ledger(), Storage.open(f"sqlite:///{path}")
    for n in range(20):
        before = len(bill.read_text().splitlines())
        process = child("dies", path, bill, f"mis_{n}", "never")
        if n % 2:
            limit = time.monotonic() + 60
            while len(bill.read_text().splitlines()) == before and time.monotonic() < limit:
                time.sleep(0.0005)
        else:
            time.sleep(chance.uniform(0.2, 1.0))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=100)
        storage.write_sync(lambda c, n=n: ledger.charge_dead(c, f"mis_{n}", 2, AT))
        lines = [line.split() for line in bill.read_text().splitlines()]
        billed = {mission: int(amount) for mission, amount in lines}
        charged = storage.read_sync(
            lambda c: dict(c.exec_driver_sql("SELECT mission, charged FROM credit_holds").fetchall())
        )
        for mission, amount in billed.items():
            assert charged[mission] in (amount, 100)
    assert storage.read_sync(verify) == []
    storage.close()
