"""The change feed: nothing that is committed is ever skipped, however late it commits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.patience import HANGS_SECONDS
from tests.support.world import AgentByHand, a_card, a_world
from trunkline.control.services import Services
from trunkline.domain.ids import HostId
from trunkline.store.changes import NO_CHANGE, ChangePosition
from trunkline.store.transaction import Transaction


@pytest.fixture
def svc(tmp_path: Path, new_postgres_database: Callable[[], str]) -> Iterator[Services]:
    with a_world(tmp_path, url=new_postgres_database()) as opened:
        for n in (1, 2):
            AgentByHand(opened, f"h{n}", a_card(5, "phy1", serial=n))
        yield opened


def host_ids(svc: Services) -> list[HostId]:
    return [host.id for host in svc.store.read(lambda tx: tx.hosts.all())]


def changed_since(svc: Services, position: ChangePosition) -> tuple[ChangePosition, list[HostId]]:
    return svc.store.read(lambda tx: tx.changes.since(position))


@contextmanager
def change_held_open(svc: Services, host_id: HostId) -> Iterator[None]:
    """Keep a transaction running that has changed a host; it commits when the context ends."""
    has_written, may_commit = threading.Event(), threading.Event()

    def hold_open(tx: Transaction) -> None:
        tx.hosts.raise_generation(host_id)
        has_written.set()
        assert may_commit.wait(HANGS_SECONDS)

    holder = threading.Thread(target=lambda: svc.store.write(hold_open))
    holder.start()
    try:
        assert has_written.wait(HANGS_SECONDS)
        yield
    finally:
        may_commit.set()
        holder.join()


def test_a_change_that_commits_late_is_not_lost_to_one_with_a_higher_number(svc: Services) -> None:
    early, late = host_ids(svc)
    read, _ = changed_since(svc, NO_CHANGE)
    with change_held_open(svc, late):  # Takes the lower number, and commits last.
        svc.store.write(lambda tx: tx.hosts.raise_generation(early))
        read, changed = changed_since(svc, read)
        assert late not in changed
    seen = set(changed)
    _, changed = changed_since(svc, read)
    assert seen | set(changed) == {early, late}


def test_a_change_of_a_transaction_that_began_later_is_not_lost_to_a_higher_number(
    svc: Services,
) -> None:
    early, late = host_ids(svc)
    read, _ = changed_since(svc, NO_CHANGE)
    began, may_write, has_written, may_commit = (threading.Event() for _ in range(4))

    def begin_first(tx: Transaction) -> None:
        tx.settings.put("any", "value")  # PostgreSQL numbers a transaction by its first write.
        began.set()
        assert may_write.wait(HANGS_SECONDS)
        tx.hosts.raise_generation(early)

    def commit_last(tx: Transaction) -> None:
        tx.hosts.raise_generation(late)
        has_written.set()
        assert may_commit.wait(HANGS_SECONDS)

    first = threading.Thread(target=lambda: svc.store.write(begin_first))
    last = threading.Thread(target=lambda: svc.store.write(commit_last))
    try:
        first.start()
        assert began.wait(HANGS_SECONDS)
        last.start()
        assert has_written.wait(HANGS_SECONDS)
        may_write.set()
        first.join()
        read, seen = changed_since(svc, read)
        assert seen == [early]
    finally:
        may_write.set()
        may_commit.set()
        first.join()
        last.join()
    assert changed_since(svc, read)[1] == [late]


def test_an_index_follows_what_another_replica_did_while_a_transaction_was_held_open(
    svc: Services,
) -> None:
    early, late = host_ids(svc)
    with change_held_open(svc, late):
        svc.store.write(lambda tx: tx.hosts.raise_generation(early))
        svc.store.write(svc.fleet.refresh)
    svc.store.write(svc.fleet.refresh)
    for host in svc.store.read(lambda tx: tx.hosts.all()):
        assert svc.fleet.view(host.id).generation == host.generation


def test_a_reader_that_missed_purged_changes_is_told_of_every_host(svc: Services) -> None:
    hosts = host_ids(svc)
    behind, _ = changed_since(svc, NO_CHANGE)
    for _ in range(5):
        svc.store.write(lambda tx: tx.hosts.raise_generation(hosts[0]))
    abreast, _ = changed_since(svc, behind)
    svc.store.write(lambda tx: tx.hosts.raise_generation(hosts[0]))
    assert svc.store.write(lambda tx: tx.changes.purge(keep=2, limit=100)) > 0
    assert changed_since(svc, behind)[1] == sorted(hosts)
    assert changed_since(svc, NO_CHANGE)[1] == sorted(hosts)
    read, changed = changed_since(svc, abreast)
    assert changed == [hosts[0]]
    assert changed_since(svc, read) == (read, [])
    assert svc.store.write(lambda tx: tx.changes.purge(keep=0, limit=100)) > 0
    assert changed_since(svc, read) == (read, [])  # The newest is always kept.
