"""Many hosts like one, as rows in SQLite: the service is not running meanwhile."""

from __future__ import annotations

import sqlite3

COPIED = {  # Columns that name the host or a device: a copy has names of its own.
    "hosts": ("id",),
    "pools": ("host_id", "kin_id"),
    "devices": ("id", "host_id", "pf_id"),
}


def copy_only_host(database: sqlite3.Connection, host_count: int) -> None:
    """Make `host_count` hosts of the only one that there is, devices and all."""
    for table, named in COPIED.items():
        # The first digits of an ID are the copy's number.
        values = {name: f"printf('%08x', nth) || substr(t.{name}, 9)" for name in named}
        if table == "hosts":
            values |= {"name": "'h' || nth", "token_hash": "NULL"}
        numbers = "WITH RECURSIVE n(nth) AS (SELECT 1 UNION ALL SELECT nth + 1 FROM n LIMIT ?)"
        columns = [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")]
        found = ", ".join(values.get(name, f"t.{name}") for name in columns)
        copied = f"{numbers} SELECT {found} FROM {table} t, n"
        database.execute(f"INSERT INTO {table} ({', '.join(columns)}) {copied}", (host_count - 1,))
