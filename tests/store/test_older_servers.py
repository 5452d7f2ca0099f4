"""Servers of an older schema, read by this version."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import text

from tests.store.test_schema import at_revision
from trunkline.store.schema import open_store

AT = "2026-01-01T00:00:00.000000Z"
FLAVOR = {"id": "f", "name": "f", "vcpus": 1, "memory_mib": 1, "disk_gib": 1, "created_at": AT}
ROW: dict[str, object] = {
    "id": "1", "project_id": "p", "user_id": "u", "name": "web", "state": "BUILD",
    "flavor": json.dumps(FLAVOR), "flavor_id": "f", "vcpus": 1, "memory_mib": 1, "port_ids": "[]",
    "nic_tags": "{}", "pci_requests": "[]", "nic_rules": "[]", "power": "running",
    "boot_number": 1, "excluded_hosts": "[]", "metadata": "{}", "tags": "[]",
    "config_drive": False, "hostname": "web", "admin_password": "horse", "access_ipv4": "",
    "access_ipv6": "", "disk_config": "MANUAL", "reservation_id": "r", "launch_index": 0,
    "created_at": AT, "updated_at": AT, "image_properties": "{}", "scheduler_hints": "{}",
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "password"),
    [
        ({"host_id": "h"}, "horse"),
        ({"host_id": "h", "launched_at": AT, "state": "ACTIVE"}, None),
        ({"state": "ERROR"}, None),
        ({"state": "DELETED", "terminated_at": AT}, None),
    ],
    ids=["under way", "has run", "failed", "deleted"],
)
def test_passwords_that_no_guest_waits_for_are_forgotten(
    new_url: Callable[[], str], said: dict[str, object], password: str | None
) -> None:
    url, row = new_url(), ROW | said
    with at_revision(url, "0037") as connection:
        connection.execute(
            text(
                "INSERT INTO hosts (id, name, generation, resources, vcpus_used, memory_mib_used,"
                " disk_gib_used, enabled, run_id, report_number, problem, former_runs,"
                " applied_generation, created_at, updated_at) VALUES ('h', 'h1', 4, '{}', 0, 0, 0,"
                " true, 'run', 7, '', '[]', 4, :at, :at)"
            ),
            {"at": AT},
        )
        names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
        connection.execute(text(f"INSERT INTO servers ({names}) VALUES ({values})"), row)
    store = open_store(url)
    found = store.read(lambda tx: tx.servers.get("1") if "terminated_at" not in row else
                       tx.servers.find_deleted("1"))  # fmt: skip
    store.close()
    assert found is not None
    assert found.admin_password == password
