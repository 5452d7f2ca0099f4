"""The schema that migrations make, and databases that this version must not touch."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from tools.write_new_database import recorded
from trunkline.domain.device import (
    DeviceKind,
    OfferedDevice,
    PciFunction,
    device_attributes,
    service_problem,
)
from trunkline.domain.ids import HostId, ProjectId, RoleTarget, UserId
from trunkline.domain.pci import PciAddress
from trunkline.domain.quota import Resource
from trunkline.store.engine import open_engine
from trunkline.store.metadata import metadata
from trunkline.store.schema import (
    NEW_SQLITE_DATABASE,
    DatabaseTooNew,
    known_revisions,
    migrate,
    open_store,
)
from trunkline.wire.json import encode


def revision(url: str) -> str:
    engine = open_engine(url)
    with engine.connect() as connection:
        found: str = connection.scalars(text("SELECT version_num FROM alembic_version")).one()
    engine.dispose()
    return found


@contextmanager
def at_revision(url: str, wanted: str) -> Iterator[Connection]:
    """Make an older schema, and let rows be put into it."""
    engine = open_engine(url)
    with engine.begin() as connection:
        migrate(connection, wanted)
        yield connection
    engine.dispose()


def test_migrations_make_the_schema_of_the_tables(new_url: Callable[[], str]) -> None:
    url = new_url()
    open_store(url).close()
    engine = open_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_a_new_sqlite_database_is_what_all_migrations_make_of_nothing() -> None:
    said = "a migration was added? then `python -m tools.write_new_database`"
    assert NEW_SQLITE_DATABASE.read_text() == recorded(), said


def test_a_new_database_of_an_older_record_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "record.sql"
    record.write_text(recorded("0039"))
    monkeypatch.setattr("trunkline.store.schema.NEW_SQLITE_DATABASE", record)
    url = f"sqlite:///{tmp_path / 'trunkline.db'}"
    open_store(url).close()
    assert revision(url) == known_revisions()[-1]


def test_the_files_of_migrations_are_named_for_what_alembic_calls_them() -> None:
    config = Config()
    config.set_main_option("script_location", "trunkline.store:migrations")
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert known_revisions() == tuple(reversed(revisions))


def test_a_second_opening_finds_what_the_first_has_left(new_url: Callable[[], str]) -> None:
    url = new_url()
    first = open_store(url)
    first.write(lambda tx: tx.settings.put("a", "here"))
    first.close()
    second = open_store(url)
    assert second.read(lambda tx: tx.settings.find("a")) == "here"
    second.close()


def test_of_several_that_open_an_empty_database_at_once_one_migrates(
    new_url: Callable[[], str],
) -> None:
    url = new_url()
    start = threading.Barrier(4)

    def open_at_once(number: int) -> None:
        start.wait()
        store = open_store(url)
        store.write(lambda tx: tx.settings.put(str(number), "here"))
        store.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(open_at_once, range(4)))
    store = open_store(url)
    assert all(store.read(lambda tx: tx.settings.find(str(n))) for n in range(4))  # noqa: B023
    store.close()


@contextmanager
def another_opens(file: Path) -> Iterator[None]:
    """Do as one who turns an empty SQLite database into WAL mode, half way through."""
    directory = os.open(file.parent, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        database.close()
        os.close(directory)


def somebody_waits_for(directory: Path) -> bool:
    """Whether a lock on the directory is waited for; see proc_locks(5)."""
    inode = directory.stat().st_ino
    locks = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and f":{inode} " in line for line in locks)


def test_an_opening_waits_for_another_that_turns_the_database_into_wal_mode(
    tmp_path: Path,
) -> None:
    file = tmp_path / "trunkline.db"
    with ThreadPoolExecutor(1) as thread:
        with another_opens(file):
            opening = thread.submit(open_store, f"sqlite:///{file}")
            while not somebody_waits_for(tmp_path) and not opening.done():
                wait([opening], timeout=0.01)
        opening.result().close()


def test_a_database_of_a_newer_version_is_refused(new_url: Callable[[], str]) -> None:
    url = new_url()
    open_store(url).close()
    known = revision(url)
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(DatabaseTooNew, match=rf"9999.*{known}.*newer Trunkline") as refused:
        open_store(url)
    assert (refused.value.found, refused.value.known) == ("9999", known)
    assert revision(url) == "9999"


def test_a_database_that_is_refused_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "trunkline.db"
    open_store(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseTooNew):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_hosts_of_the_first_schema_have_no_problem_and_no_former_runs(
    new_url: Callable[[], str],
) -> None:
    url = new_url()
    with at_revision(url, "0001") as connection:
        connection.execute(
            text(
                "INSERT INTO hosts (id, name, generation, resources, vcpus_used, memory_mib_used,"
                " disk_gib_used, enabled, run_id, report_number, applied_generation, created_at,"
                " updated_at) VALUES ('1', 'h1', 4, :resources, 0, 0, 0, :yes, 'run', 7, 4, :at,"
                " :at)"
            ),
            {
                "resources": '{"vcpus": 1, "memory_mib": 1, "disk_gib": 1}',
                "yes": True,
                "at": "2026-01-01T00:00:00.000000Z",
            },
        )
    store = open_store(url)
    host = store.read(lambda tx: tx.hosts.get_by_name("h1"))
    assert (host.problem, host.former_runs, host.run_id) == ("", (), "run")
    store.close()


@pytest.mark.parametrize(
    "driver", ["mlx5_core", "ixgbe", "i40e", "igb", "mlx4_core", "bnxt_en", "ice"]
)
def test_pools_of_an_older_schema_learn_what_their_driver_can_set(
    new_url: Callable[[], str], driver: str
) -> None:
    function = PciFunction(
        address=PciAddress.parse("0000:05:10.0"),
        kind=DeviceKind.VF,
        vendor_id="8086",
        product_id="10ed",
        pf_driver=driver,
    )
    new = device_attributes(OfferedDevice(function=function, tags={"physical_network": "phy1"}))
    old = {name: value for name, value in new.items() if not name.startswith("can.")}
    url = new_url()
    with at_revision(url, "0002") as connection:
        connection.execute(
            text(
                "INSERT INTO hosts (id, name, generation, resources, vcpus_used, memory_mib_used,"
                " disk_gib_used, enabled, run_id, report_number, problem, former_runs,"
                " applied_generation, created_at, updated_at) VALUES ('1', 'h1', 4, '{}', 0, 0, 0,"
                " :yes, 'run', 7, '', '[]', 4, :at, :at)"
            ),
            {"yes": True, "at": "2026-01-01T00:00:00.000000Z"},
        )
        connection.execute(
            text(
                "INSERT INTO pools (host_id, number, kin_id, kind, attributes, address, alone,"
                " members, offered) VALUES ('1', 0, 'pf', 'vf', :attributes, '', :no, '1', '1')"
            ),
            {"attributes": json.dumps(old), "no": False},
        )
    store = open_store(url)
    (pool,) = store.read(lambda tx: tx.pools.of_host(HostId("1")))
    store.close()
    assert list(pool.attributes.items()) == list(new.items())


def test_servers_of_an_older_schema_are_confined_to_no_node(new_url: Callable[[], str]) -> None:
    url, at = new_url(), "2026-01-01T00:00:00.000000Z"
    flavor = {"id": "f", "name": "f", "vcpus": 1, "memory_mib": 1, "disk_gib": 1, "created_at": at}
    row: dict[str, object] = {
        "id": "1", "project_id": "p", "user_id": "u", "name": "web", "state": "ACTIVE",
        "flavor": json.dumps(flavor), "flavor_id": "f", "port_ids": "[]", "pci_requests": "[]",
        "power": "running", "boot_number": 1, "excluded_hosts": "[]", "metadata": "{}",
        "tags": "[]", "config_drive": False, "hostname": "web", "reservation_id": "r",
        "launch_index": 0, "created_at": at, "updated_at": at, "nic_rules": "[]",
    }  # fmt: skip
    with at_revision(url, "0007") as connection:
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        connection.execute(text(f"INSERT INTO servers ({names}) VALUES ({values})"), row)
    store = open_store(url)
    server = store.read(lambda tx: tx.servers.get("1"))
    store.close()
    assert (server.numa_node, dict(server.use.numa)) == (None, {})
    assert (server.locked_by, server.image_properties, server.scheduler_hints) == (None, {}, {})


@pytest.mark.parametrize(
    ("link_up", "driver", "problem"),
    [
        (True, "igb", ""),
        (False, "igb", "eth2 has no link"),
        (True, None, "eth2 has no driver"),
        (False, "vfio-pci", ""),
    ],
)
def test_pools_of_an_older_schema_learn_whether_their_pf_is_in_service(
    new_url: Callable[[], str], link_up: bool, driver: str | None, problem: str
) -> None:
    function = PciFunction(
        address=PciAddress.parse("0000:05:00.0"),
        kind=DeviceKind.PF,
        vendor_id="8086",
        product_id="10c9",
        ifname="eth2",
        driver=driver,
        link_up=link_up,
    )
    url, at = new_url(), "2026-01-01T00:00:00.000000Z"
    device = encode(OfferedDevice(function=function)).decode()
    with at_revision(url, "0012") as connection:
        connection.execute(
            text(
                "INSERT INTO hosts (id, name, generation, resources, vcpus_used, memory_mib_used,"
                " disk_gib_used, enabled, run_id, report_number, problem, former_runs,"
                " applied_generation, created_at, updated_at) VALUES ('1', 'h1', 4, '{}', 0, 0, 0,"
                " :yes, 'run', 7, '', '[]', 4, :at, :at)"
            ),
            {"yes": True, "at": at},
        )
        connection.execute(
            text(
                "INSERT INTO devices (id, host_id, address, kind, offered, attributes, device,"
                " epoch, held_whole, vfs_held) VALUES ('pf', '1', '0000:05:00.0', 'pf', :yes, '{}',"
                " :device, 1, :no, 0)"
            ),
            {"yes": True, "no": False, "device": device},
        )
        connection.execute(
            text(
                "INSERT INTO pools (host_id, number, kin_id, kind, attributes, address, alone,"
                " members, offered) VALUES ('1', 0, 'pf', 'vf', '{}', '', :no, '1', '1')"
            ),
            {"no": False},
        )
    store = open_store(url)
    (pool,) = store.read(lambda tx: tx.pools.of_host(HostId("1")))
    store.close()
    assert pool.problem == problem == service_problem(function)


def test_roles_and_tokens_of_an_older_schema_are_those_of_projects(
    new_url: Callable[[], str],
) -> None:
    url, at = new_url(), "2026-01-01T00:00:00.000000Z"
    with at_revision(url, "0025") as connection:
        connection.execute(
            text("INSERT INTO projects (id, name, description, enabled) VALUES ('p', 'p', '', :y)"),
            {"y": True},
        )
        connection.execute(
            text("INSERT INTO users (id, name, password_hash, enabled) VALUES ('u', 'u', 'x', :y)"),
            {"y": True},
        )
        for role in ("admin", "reader"):
            connection.execute(
                text("INSERT INTO role_assignments VALUES ('u', 'p', :role)"), {"role": role}
            )
        connection.execute(
            text("INSERT INTO tokens VALUES ('hash', 'u', 'p', :at, :at, '[\"password\"]', 'a')"),
            {"at": at},
        )
    store = open_store(url)
    user, target = UserId("u"), RoleTarget("p")
    given = store.read(lambda tx: tx.roles.given(user, target))
    token = store.read(lambda tx: tx.tokens.find("hash"))
    (project,) = store.read(lambda tx: tx.identity.all_projects())
    roles = store.read(lambda tx: tx.roles.all())
    store.close()
    assert [role.name for role in given] == ["admin", "reader"]
    assert [role.name for role in roles] == ["admin", "manager", "member", "reader"]
    assert token is not None
    assert (token.target, token.methods) == ("p", ("password",))
    assert (project.tags, project.extra) == ((), {})


def test_quotas_of_an_older_schema_hold_on_and_sizes_of_servers_are_summed(
    new_url: Callable[[], str],
) -> None:
    url = new_url()
    flavor = {"id": "f", "name": "f", "vcpus": 3, "memory_mib": 512, "disk_gib": 1,
              "created_at": "2026-01-01T00:00:00Z"}  # fmt: skip
    with at_revision(url, "0021") as connection:
        connection.execute(
            text("INSERT INTO quotas (project_id, kind, physical_network, most)"
                 " VALUES ('p', 'vf', 'phy1', 4)")
        )  # fmt: skip
        for number, state in enumerate(("ACTIVE", "DELETED")):
            connection.execute(
                text(
                    "INSERT INTO servers (id, project_id, user_id, name, state, flavor, flavor_id,"
                    " port_ids, nic_tags, pci_requests, nic_rules, power, boot_number,"
                    " excluded_hosts, metadata, tags, config_drive, hostname, reservation_id,"
                    " launch_index, created_at, updated_at) VALUES (:id, 'p', 'u', 's', :state,"
                    " :flavor, 'f', '[]', '{}', '[]', '[]', 'running', 1, '[]', '{}', '[]', :no,"
                    " 's', 'r-1', 0, :at, :at)"
                ),
                {"id": str(number), "state": state, "flavor": json.dumps(flavor), "no": False,
                 "at": "2026-01-01T00:00:00.000000Z"},
            )  # fmt: skip
    store = open_store(url)
    project = ProjectId("p")
    (quota,) = store.read(lambda tx: tx.quotas.of_project(project))
    held = store.read(lambda tx: tx.quotas.held(project))
    store.close()
    assert (quota.what, quota.limit) == ("VFs on phy1", 4)
    assert held[Resource.SERVERS, None] == 1
    assert (held[Resource.CORES, None], held[Resource.MEMORY_MIB, None]) == (3, 512)


def test_key_pairs_of_an_older_schema_take_the_longer_ids_of_users(
    new_url: Callable[[], str],
) -> None:
    url = new_url()
    with at_revision(url, "0023") as connection:
        connection.execute(
            text("INSERT INTO key_pairs (user_id, name, public_key, fingerprint, created_at)"
                 " VALUES ('u', 'k', 'ssh-rsa', 'f', '2026-01-01T00:00:00.000000Z')")
        )  # fmt: skip
    store = open_store(url)
    store.close()
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE key_pairs SET user_id = :id"), {"id": "5e" * 32})
        assert connection.scalars(text("SELECT user_id FROM key_pairs")).one() == "5e" * 32
    engine.dispose()
