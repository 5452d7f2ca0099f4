"""Every host as a tree of resource providers, kept in memory: to read all of them takes a second.

Each look first reads again the hosts that have changed since the last one, as the change feed
tells, in one snapshot. So what is answered is the store as it was at one moment, and has in it
whatever was written before the question came.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from typing import Final

from trunkline.domain.device_pool import DevicePool
from trunkline.domain.host import Host
from trunkline.domain.ids import HostId
from trunkline.domain.providers import ProviderTree, provider_tree
from trunkline.store.changes import ChangePosition
from trunkline.store.engine import Store
from trunkline.store.transaction import Transaction

# Where more than one host in so many has changed, reading all is faster than reading each alone.
_READ_ALL_FROM: Final = 5


class ProviderTrees:
    """The trees of all hosts. All methods may be called from any thread."""

    def __init__(self, store: Store) -> None:
        """Begin with none: they are read when somebody first asks for them."""
        self._store = store
        self._lock = threading.Lock()  # Snapshots are taken under it: each is newer than the last.
        self._read_to: ChangePosition | None = None
        self._trees: dict[HostId, ProviderTree] = {}
        self._by_name: Sequence[ProviderTree] = ()

    def all(self) -> Sequence[ProviderTree]:
        """Return the tree of every host, by the host's name, as they are now."""
        with self._lock:
            self._store.read(self._follow)
            return self._by_name

    def _follow(self, tx: Transaction) -> None:
        """Read what has changed; if that fails, all stays as it was, and is read the next time."""
        if self._read_to is None:
            read_to = tx.changes.newest()
            trees = trees_of_all(tx)
        else:
            read_to, changed = _changed_since(tx, self._read_to)
            if not changed:
                self._read_to = read_to
                return
            if len(changed) * _READ_ALL_FROM > len(self._trees):
                trees = trees_of_all(tx)
            else:
                trees = {id_: tree for id_, tree in self._trees.items() if id_ not in changed}
                for host in tx.hosts.get_many(changed).values():
                    trees[host.id] = tree_of_host(tx, host)
        self._by_name = sorted(trees.values(), key=lambda tree: tree.root.name)
        self._trees, self._read_to = trees, read_to


def _changed_since(
    tx: Transaction, position: ChangePosition
) -> tuple[ChangePosition, Collection[HostId]]:
    """Return all hosts that have changed since, and where to go on from."""
    found: set[HostId] = set()
    while True:
        read_to, some = tx.changes.since(position)
        found.update(some)
        if read_to == position:
            return position, found.union(tx.changes.ahead_of(position))
        position = read_to


def tree_of_host(tx: Transaction, host: Host) -> ProviderTree:
    """Make the tree of one host from the store."""
    uses = tx.bandwidths.of_host(host.id)
    return provider_tree(
        host,
        tx.hosts.use_of(host.id),
        tx.pools.of_host(host.id),
        tx.devices.addresses_of_parents(host.id),
        {device_id: (use.bandwidth, use.owed) for device_id, use in uses.items()},
        tx.aggregates.uuids_of([host.id]).get(host.id, ()),
    )


def trees_of_all(tx: Transaction) -> dict[HostId, ProviderTree]:
    """Make the trees of all hosts from the store."""
    uses = tx.hosts.uses()
    addresses = tx.devices.addresses_of_parents()
    owed = {
        device_id: (use.bandwidth, use.owed) for device_id, use in tx.bandwidths.of_all().items()
    }
    aggregates = tx.aggregates.uuids_of(None)
    hosts = {host.id: host for host in tx.hosts.all()}
    trees: dict[HostId, ProviderTree] = {}

    def put(host: Host, pools: Sequence[DevicePool]) -> None:
        of_host = aggregates.get(host.id, ())
        trees[host.id] = provider_tree(host, uses[host.id], pools, addresses, owed, of_host)

    for host_id, pools in tx.pools.of_all_hosts():  # The most of all that is read: one by one.
        put(hosts.pop(host_id), pools)
    for host in hosts.values():
        put(host, ())
    return trees
