"""What keeps a database from being opened or brought up to date is said by its name, and what to do about it."""

import sqlite3

import pytest

from nextgeneration.storage import connections, schema
from nextgeneration.storage.database import Storage
from nextgeneration.storage.errors import StorageBusy, StorageDamaged, StorageFull, StorageUnopened


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder / "nextgen.db"


def opened(path, busy_seconds=0.2):
    Storage.open(f"sqlite:///{path}", busy_seconds=busy_seconds).close()


def sql(path, *statements):
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.fixture
def upgraded_under(monkeypatch):
    """Let the migrations run under a pragma that has SQLite meet what a test cannot arrange on any disk."""

    def arrange(pragma):
        def connected(*args, **named):
            engine, connection, driver = connections.connected(*args, **named)
            driver.execute("PRAGMA journal_mode=WAL")
            driver.execute(f"PRAGMA {pragma}")
            return engine, connection, driver

        monkeypatch.setattr(schema, "connected", connected)

    return arrange


def test_a_file_another_process_holds_is_named(path):
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(StorageBusy):
            opened(path)
    finally:
        other.close()
    opened(path)


def test_a_file_that_is_being_written_when_the_schema_is_made_is_named(path):
    """The look before passes, and the migration meets the lock."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StorageBusy):
            opened(path)
    finally:
        other.close()
    opened(path)


def test_a_disk_without_room_for_the_schema_is_named(path, upgraded_under, monkeypatch):
    upgraded_under("max_page_count=4")
    with pytest.raises(StorageFull):
        opened(path)
    monkeypatch.undo()
    opened(path)


def test_a_file_that_cannot_be_written_is_named(path, upgraded_under):
    upgraded_under("query_only=ON")
    with pytest.raises(StorageUnopened, match="readonly") as caught:
        opened(path)
    assert caught.value.values["path"] == str(path)


def test_a_database_of_something_else_is_named_and_left_as_it_was(path):
    sql(path, "CREATE TABLE missions (theirs)", "INSERT INTO missions VALUES (7)")
    with pytest.raises(StorageUnopened, match="missions already exists"):
        opened(path)
    left = sqlite3.connect(path)
    assert left.execute("SELECT theirs FROM missions").fetchall() == [(7,)]
    assert left.execute("SELECT name FROM sqlite_master").fetchall() == [("missions",)]
    left.close()


@pytest.mark.parametrize("version", ["0000", "", "\x01"])
def test_a_version_that_never_was_is_named(path, version):
    opened(path)
    sql(path, f"UPDATE alembic_version SET version_num = '{version}'")
    with pytest.raises(StorageDamaged):
        opened(path)


def test_a_schema_that_is_no_text_is_named(path):
    """SQLite quotes it in its message, which then is no text either."""
    opened(path)
    sql(path, "PRAGMA journal_mode=DELETE")
    data = path.read_bytes()
    at = data.index(b"CREATE TABLE missions")
    for place in (at, at + 7, at + 13):
        path.write_bytes(data[:place] + bytes([data[place] | 0x80]) + data[place + 1 :])
        with pytest.raises(StorageDamaged):
            opened(path)
