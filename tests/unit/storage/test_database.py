"""Opening a database: private, durable, migrated once, whoever comes first."""

import os
import sqlite3
import stat
import subprocess
import sys
import textwrap

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

import nextgeneration.agents.tables
import nextgeneration.credits.tables
import nextgeneration.missions.tables
import nextgeneration.supervisor.tables  # noqa: F401 - registers its tables
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.storage.database import Storage
from nextgeneration.storage.errors import (
    SchemaNewer,
    StorageBusy,
    StorageDamaged,
    StorageUnopened,
    StorageUnsafe,
    StorageUnsupported,
)
from nextgeneration.storage.schema import HEAD, MIGRATIONS, migrate
from nextgeneration.storage.tables import metadata


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "nextgen.db"


def pragma(storage, name):
    return storage.write_sync(lambda c: c.connection.driver_connection.execute(f"PRAGMA {name}").fetchone()[0])


def test_what_is_acknowledged_is_on_disk(path):
    storage = Storage.open(f"sqlite:///{path}")
    assert storage.durable
    assert pragma(storage, "journal_mode") == "wal"
    assert pragma(storage, "synchronous") == 2, "FULL"
    assert pragma(storage, "foreign_keys") == 1
    storage.close()


def test_folder_and_files_are_private(path):
    storage = Storage.open(f"sqlite:///{path}")
    storage.write_sync(lambda c: c.execute(text("INSERT INTO revisions VALUES ('local', 'd', 'x')")))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    storage.close()


def test_a_file_others_could_read_is_closed_to_them(path):
    path.parent.mkdir(mode=0o700)
    path.touch(mode=0o644)
    path.chmod(0o644)
    Storage.open(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_everybody_can_write_is_refused(path):
    path.parent.mkdir()
    path.parent.chmod(0o777)
    with pytest.raises(StorageUnsafe, match="everybody"):
        Storage.open(f"sqlite:///{path}")
    assert not path.exists()


def test_a_link_is_not_followed(path, tmp_path):
    path.parent.mkdir(mode=0o700)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageUnsafe, match="symbolic link"):
        Storage.open(f"sqlite:///{path}")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="needs to give a folder away")
def test_a_folder_of_another_user_is_refused(path):
    path.parent.mkdir(mode=0o700)
    os.chown(path.parent, 65534, 65534)
    with pytest.raises(StorageUnsafe, match="another user"):
        Storage.open(f"sqlite:///{path}")


@pytest.mark.parametrize("url", ["postgresql://localhost/x", "mysql://x", "no url at all", ""])
def test_other_databases_are_refused_by_name(url):
    with pytest.raises(StorageUnsupported):
        Storage.open(url)


def test_what_is_no_database_is_named(path):
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"this is not a database file at all, but long enough to look at" * 20)
    with pytest.raises(StorageDamaged):
        Storage.open(f"sqlite:///{path}")


def test_a_path_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnopened, match="file"):
        Storage.open(f"sqlite:///{tmp_path}/file/nextgen.db")


def test_a_newer_schema_is_refused_and_left_alone(path):
    Storage.open(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as driver:
        driver.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaNewer, match="9999"):
        Storage.open(f"sqlite:///{path}")


def test_the_migrations_make_exactly_the_tables_of_the_code(path):
    migrate_by_opening = Storage.open(f"sqlite:///{path}")
    migrate_by_opening.close()
    with create_engine(f"sqlite:///{path}").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_known_head_is_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def first_schema(path):
    """A file as the first version left it, with something in it."""
    path.parent.mkdir(mode=0o700)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO revisions VALUES ('local', 'sha256:1', 'kept')"))
    engine.dispose()


def test_a_file_of_the_first_schema_is_brought_up_to_date(path):
    first_schema(path)
    storage = Storage.open(f"sqlite:///{path}")

    def op(connection):
        kept = connection.execute(text("SELECT data FROM revisions")).scalar()
        made = connection.execute(text("SELECT count(*) FROM credit_holds")).scalar()
        return kept, made, connection.execute(text("SELECT version_num FROM alembic_version")).scalar()

    assert storage.read_sync(op) == ("kept", 0, HEAD)
    storage.close()
    with create_engine(f"sqlite:///{path}").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def sides(n):
    return ("available", -(n + 1)), ("held", n + 1)


def test_rows_indexes_and_triggers_survive_the_making_anew_of_their_tables(path):
    path.parent.mkdir(mode=0o700)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(f"sqlite:///{path}")

    def made():
        with engine.begin() as connection:
            known = "SELECT name, type, sql LIKE '%WITHOUT ROWID%' FROM sqlite_master WHERE sql IS NOT NULL"
            return {name: (kind, without) for name, kind, without in connection.execute(text(known))}

    def to(change, version):
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            change(config, version)

    to(command.upgrade, "0002")
    before = made()
    held = [("local", f"h{n}", "hold", account, amount, "2026") for n in range(5) for account, amount in sides(n)]
    lost = ("local", "lost", "settle", "spent", 7, "2027")
    with engine.begin() as connection:
        for row in (*held, lost):
            connection.exec_driver_sql("INSERT INTO ledger_entries VALUES (?, ?, ?, ?, ?, ?)", row)
    to(command.upgrade, HEAD)
    after = made()
    assert set(after) == set(before)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"journal", "effects", "credit_holds", "ledger_entries"}
    with engine.begin() as connection:
        moved = [(n + 1, "local", f"h{n}", "hold", -(n + 1), n + 1, 0, "2026") for n in range(5)]
        moved.append((6, "local", "lost", "settle", 0, 0, 7, "2027"))
        assert connection.exec_driver_sql("SELECT * FROM ledger_entries").all() == moved
        with pytest.raises(IntegrityError, match="balanced"):
            connection.exec_driver_sql("INSERT INTO ledger_entries VALUES (7, 'local', 'x', 'hold', 0, 0, 1, '2026')")
        with pytest.raises(IntegrityError, match="never changed"):
            connection.exec_driver_sql("DELETE FROM ledger_entries")
    to(command.downgrade, "0002")
    assert made() == before
    with engine.begin() as connection:
        assert sorted(connection.exec_driver_sql("SELECT * FROM ledger_entries").all()) == sorted([*held, lost])
    engine.dispose()


def test_an_upgrade_that_fails_leaves_the_first_schema_and_what_is_in_it(path, monkeypatch):
    from alembic import op

    first_schema(path)
    monkeypatch.setattr(op, "create_index", lambda *_args, **_kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        migrate(path, 5)
    monkeypatch.undo()
    driver = sqlite3.connect(path)
    assert driver.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
    assert driver.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'credit%'").fetchone() == (0,)
    driver.close()
    again = Storage.open(f"sqlite:///{path}")
    assert again.read_sync(lambda c: c.execute(text("SELECT data FROM revisions")).scalar()) == "kept"
    again.close()


@pytest.mark.parametrize("change", ["UPDATE ledger_entries SET held = 0", "DELETE FROM ledger_entries"])
def test_postings_are_never_changed(path, change):
    for url in (f"sqlite:///{path}", "sqlite://"):
        storage = Storage.open(url)
        posting = text("INSERT INTO ledger_entries VALUES (1, 'local', 'h', 'hold', -5, 5, 0, '2026')")
        storage.write_sync(lambda c, posting=posting: c.execute(posting))
        with pytest.raises(IntegrityError, match="never changed"):
            storage.write_sync(lambda c: c.execute(text(change)))
        assert storage.read_sync(lambda c: c.execute(text("SELECT held FROM ledger_entries")).scalar()) == 5
        storage.close()


def test_a_migration_that_fails_leaves_the_old_schema(path, monkeypatch):
    from alembic import op

    path.parent.mkdir(mode=0o700)
    real = op.create_table
    made = []

    def fails(name, *args, **kwargs):
        if len(made) == 3:
            raise RuntimeError("killed half-way")
        made.append(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(op, "create_table", fails)
    with pytest.raises(RuntimeError, match="half-way"):
        migrate(path, 5)
    monkeypatch.undo()
    with sqlite3.connect(path) as driver:
        assert driver.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    driver.close()
    Storage.open(f"sqlite:///{path}").close()


def test_a_second_opening_imports_no_migration_machinery(path):
    Storage.open(f"sqlite:///{path}").close()
    code = f"""
        import sys
        from nextgeneration.storage.database import Storage
        Storage.open("sqlite:///{path}").close()
        Storage.open("sqlite://").close()
        assert "alembic" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)


def test_processes_that_open_at_once_wait_for_each_other(path):
    code = f"""
        from sqlalchemy import text
        from nextgeneration.storage.database import Storage
        storage = Storage.open("sqlite:///{path}")
        storage.write_sync(lambda c: c.execute(text("INSERT INTO revisions VALUES ('local', hex(randomblob(8)), 'x')")))
        storage.close()
    """
    argv = [sys.executable, "-c", textwrap.dedent(code)]
    processes = [subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        _, errors = process.communicate(timeout=100)
        assert process.returncode == 0, errors
    storage = Storage.open(f"sqlite:///{path}")
    assert storage.read_sync(lambda c: c.execute(text("SELECT count(*) FROM revisions")).scalar()) == 4
    storage.close()


def test_a_lock_nobody_gives_back_is_named(path):
    path.parent.mkdir(mode=0o700)
    import fcntl

    with path.with_name("nextgen.db.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StorageBusy):
            migrate(path, 0.1)


async def test_reads_see_what_was_acknowledged_and_cannot_write(path):
    storage = Storage.open(f"sqlite:///{path}")
    for n in range(20):
        await storage.write(lambda c, n=n: c.execute(text(f"INSERT INTO revisions VALUES ('local', '{n}', 'x')")))
        assert await storage.read(lambda c: c.execute(text("SELECT count(*) FROM revisions")).scalar()) == n + 1
    with pytest.raises(Exception, match="readonly"):
        await storage.read(lambda c: c.execute(text("DELETE FROM revisions")))
    storage.close()


def test_one_read_sees_one_state(path):
    storage = Storage.open(f"sqlite:///{path}")
    count = text("SELECT count(*) FROM revisions")

    def op(connection):
        before = connection.execute(count).scalar()
        storage.write_sync(lambda c: c.execute(text("INSERT INTO revisions VALUES ('local', 'd', 'x')")))
        return before, connection.execute(count).scalar()

    assert storage.read_sync(op) == (0, 0)
    assert storage.read_sync(lambda c: c.execute(count).scalar()) == 1
    storage.close()


def test_settings_place_the_file_in_home(tmp_path, monkeypatch):
    monkeypatch.setenv("NG_HOME", str(tmp_path))
    assert StorageSettings().url == f"sqlite:///{tmp_path}/nextgen.db"
    monkeypatch.setenv("NG_DATABASE_URL", "sqlite://")
    assert StorageSettings().url == "sqlite://"
