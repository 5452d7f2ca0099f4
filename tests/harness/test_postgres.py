"""The tests' own PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
from sqlalchemy import create_engine, text

from tests.support.postgres import ROLE, PostgresCluster


def test_each_database_is_fresh(new_empty_postgres_database: Callable[[], str]) -> None:
    first, second = (create_engine(new_empty_postgres_database()) for _ in range(2))
    with first.begin() as connection:
        connection.execute(text("CREATE TABLE t (n integer)"))
    with second.begin() as connection:
        assert connection.execute(text("SELECT to_regclass('t')")).scalar() is None
    for engine in (first, second):
        engine.dispose()


def test_the_cluster_listens_on_no_tcp_port(postgres_cluster: PostgresCluster) -> None:
    url = postgres_cluster.url("postgres").replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_the_server_does_not_run_as_root(postgres_cluster: PostgresCluster) -> None:
    url = postgres_cluster.url("postgres").replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        backend = connection.info.backend_pid
        assert connection.info.user == ROLE
        status = Path(f"/proc/{backend}/status").read_text().splitlines()
    uids = next(line.split()[1:] for line in status if line.startswith("Uid:"))
    assert "0" not in uids
