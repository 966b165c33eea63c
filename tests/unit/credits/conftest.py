"""A ledger on each kind of database, and calls to hold for."""

import pytest

from nextgeneration.credits.ledger import Ledger
from nextgeneration.credits.schema import Hold, Scopes
from nextgeneration.credits.service import Credits
from nextgeneration.settings.credits import CreditSettings
from nextgeneration.storage.database import Storage
from nextgeneration.testing.clock import ManualClock

AT = "2026-11-21T14:30:00.000000Z"
ADA = Scopes("local", "ada", "codeur", "mis_1", "t1", "openai:big")


class Books:
    """A ledger whose every operation is a transaction of its own."""

    def __init__(self, storage):
        self.storage = storage
        self.ledger = Ledger()
        self.used = 0

    def hold(self, amount, *limits, scopes=ADA, at=AT, attempt=1, name=None):
        """Hold under a new id, which is returned."""
        self.used += 1
        name = name or f"mis_1/t1/{self.used}/1"
        hold = Hold(name, amount, scopes, attempt, at, limits)
        self.warnings = self.storage.write_sync(lambda c: self.ledger.hold(c, hold))
        return name

    def settle(self, name, amount, *, at=AT, **more):
        return self.storage.write_sync(lambda c: self.ledger.settle(c, name, amount, at=at, **more))

    def record(self, amount=0, *, usage, name="free", scopes=ADA):
        hold = Hold(name, amount, scopes, 1, AT)
        return self.storage.write_sync(lambda c: self.ledger.record(c, hold, usage=usage))

    def charge_dead(self, mission, attempt, **more):
        return self.storage.write_sync(lambda c: self.ledger.charge_dead(c, mission, attempt, AT, **more))

    def get(self, name):
        return self.storage.read_sync(lambda c: self.ledger.get(c, name))

    def room(self, *limits, scopes=ADA, at=AT):
        return self.storage.read_sync(lambda c: self.ledger.room(c, scopes, at, limits))

    def standings(self, *limits, scopes=ADA, at=AT):
        return self.storage.read_sync(lambda c: self.ledger.standings(c, scopes, at, limits))


@pytest.fixture(params=["file", "memory through Core"])
def storage(request, tmp_path):
    url = f"sqlite:///{tmp_path}/home/nextgen.db" if request.param.startswith("file") else "sqlite://"
    storage = Storage.open(url, prepared="Core" not in request.param)
    yield storage
    storage.close()


@pytest.fixture
def clock():
    clock = ManualClock()
    clock.advance((324 * 24 + 14.5) * 3600)  # 2026-11-21 14:30
    return clock


@pytest.fixture
def books(storage):
    return Books(storage)


@pytest.fixture
def service(storage, clock):
    return Credits(storage, CreditSettings(), clock=clock)
