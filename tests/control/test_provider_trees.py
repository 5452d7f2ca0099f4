"""Provider trees in memory are what the store says at each look, whoever wrote, and however late.

`a_world` holds them against the store at the end of every test that has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.store.test_change_feed import change_held_open
from tests.support.world import (
    ADMIN,
    AgentByHand,
    a_card,
    a_world,
    assert_trees_followed,
)
from trunkline.control.hosts import set_host_enabled
from trunkline.control.provider_trees import ProviderTrees
from trunkline.control.providers import list_trees
from trunkline.control.services import Services
from trunkline.domain.ids import HostId, HostName
from trunkline.domain.providers import HOST_DISABLED
from trunkline.store.transaction import Transaction

HOSTS = 8


@pytest.fixture(params=["sqlite", "postgresql"])
def svc(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Services]:
    url = None
    if request.param == "postgresql":
        new_database: Callable[[], str] = request.getfixturevalue("new_postgres_database")
        url = new_database()
    with a_world(tmp_path, url=url) as opened:
        for n in range(1, HOSTS + 1):
            AgentByHand(opened, f"h{n}", a_card(5, "phy1", serial=n))
        yield opened


def generations(trees: ProviderTrees) -> dict[str, int]:
    return {tree.root.name: tree.root.generation for tree in trees.all()}


def id_of(svc: Services, name: str) -> HostId:
    return svc.store.read(lambda tx: tx.hosts.get_by_name(name)).id


def raise_generation(svc: Services, name: str) -> int:
    host_id = id_of(svc, name)
    return svc.store.write(lambda tx: tx.hosts.raise_generation(host_id))


def test_hosts_that_come_and_change_are_followed_by_name(svc: Services) -> None:
    assert [tree.root.name for tree in list_trees(svc, ADMIN)] == [
        f"h{n}" for n in range(1, HOSTS + 1)
    ]
    set_host_enabled(svc, ADMIN, HostName("h3"), enabled=False)
    assert [HOST_DISABLED in tree.root.traits for tree in list_trees(svc, ADMIN)].index(True) == 2
    AgentByHand(svc, "a", a_card(5, "phy1", serial=77))
    assert list_trees(svc, ADMIN)[0].root.name == "a"
    assert_trees_followed(svc)


def test_what_another_replica_wrote_is_seen_though_an_older_transaction_still_runs(
    tmp_path: Path, new_postgres_database: Callable[[], str]
) -> None:
    url = new_postgres_database()
    with a_world(tmp_path, url=url) as one, a_world(tmp_path, url=url, seed=1) as other:
        for n in (1, 2):
            AgentByHand(one, f"h{n}", a_card(5, "phy1", serial=n))
        late = id_of(one, "h2")
        before = generations(other.provider_trees)
        with change_held_open(one, late):
            raised = raise_generation(one, "h1")
            # The feed tells its readers of neither before the older one has ended.
            assert generations(other.provider_trees) == before | {"h1": raised}
            raised = raise_generation(one, "h1")
            assert generations(other.provider_trees) == before | {"h1": raised}
        assert generations(other.provider_trees) == {"h1": raised, "h2": before["h2"] + 1}
        assert_trees_followed(other)


def test_only_what_has_changed_is_read_again(svc: Services) -> None:
    svc.provider_trees.all()
    before = {tree.root.name: tree for tree in svc.provider_trees.all()}
    raise_generation(svc, "h5")
    after = {tree.root.name: tree for tree in svc.provider_trees.all()}
    assert {name for name in after if after[name] is not before[name]} == {"h5"}


def test_what_placement_is_to_read_again_is_read_again_here_too(svc: Services) -> None:
    before = {tree.root.name: tree for tree in svc.provider_trees.all()}
    host_id = id_of(svc, "h5")
    svc.store.write(lambda tx: svc.fleet.reload_after(tx, host_id))
    after = {tree.root.name: tree for tree in svc.provider_trees.all()}
    assert {name for name in after if after[name] is not before[name]} == {"h5"}


def test_a_look_that_fails_forgets_nothing(svc: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    svc.provider_trees.all()
    raised = raise_generation(svc, "h5")
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise RuntimeError("the database went away")

        patch.setattr("trunkline.control.provider_trees.tree_of_host", fail)
        with pytest.raises(RuntimeError):
            svc.provider_trees.all()
    assert generations(svc.provider_trees)["h5"] == raised


def test_changes_that_were_purged_before_they_were_read_are_made_up_for(svc: Services) -> None:
    svc.provider_trees.all()
    for n in range(1, HOSTS + 1):
        raise_generation(svc, f"h{n}")
    svc.store.write(lambda tx: tx.changes.purge(keep=1, limit=1000))
    assert_trees_followed(svc)


def test_many_look_while_many_write(svc: Services) -> None:
    def work(n: int) -> None:
        wrote = raise_generation(svc, f"h{n % HOSTS + 1}")
        assert generations(svc.provider_trees)[f"h{n % HOSTS + 1}"] >= wrote

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(200)))
    assert_trees_followed(svc)


def test_what_is_not_committed_is_not_seen(svc: Services) -> None:
    before = generations(svc.provider_trees)
    host_id = id_of(svc, "h1")

    def fail(tx: Transaction) -> None:
        tx.hosts.raise_generation(host_id)
        raise RuntimeError("changed its mind")

    with pytest.raises(RuntimeError):
        svc.store.write(fail)
    assert generations(svc.provider_trees) == before
