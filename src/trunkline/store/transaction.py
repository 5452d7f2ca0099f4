"""One transaction: the door to each kind of row, and what to do once it is durable or lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property

from sqlalchemy import Connection

from trunkline.store.allocations import Allocations
from trunkline.store.bandwidth import Bandwidths
from trunkline.store.bindings import Bindings
from trunkline.store.capacity import Capacity
from trunkline.store.changes import Changes
from trunkline.store.devices import Devices
from trunkline.store.events import Events
from trunkline.store.flavors import Flavors
from trunkline.store.hosts import Hosts
from trunkline.store.identity import Identity
from trunkline.store.images import Images
from trunkline.store.leases import Leases
from trunkline.store.locks import Lock
from trunkline.store.networks import Networks
from trunkline.store.pci_flavors import PciFlavors
from trunkline.store.pools import Pools
from trunkline.store.ports import Ports
from trunkline.store.qos import QosPolicies
from trunkline.store.quotas import Quotas
from trunkline.store.servers import Servers
from trunkline.store.settings import Settings
from trunkline.store.subnets import Subnets

_log = logging.getLogger(__name__)


class Transaction:
    """What a use case is given."""

    def __init__(self, connection: Connection, *, sees_newest: bool = True) -> None:
        """Wrap a connection on which a transaction has begun.

        Args:
            connection: Of the transaction.
            sees_newest: Each statement sees all that is committed. A snapshot, which may be older
                by the time it is read, does not.
        """
        self._connection = connection
        self.sees_newest = sees_newest
        self._on_commit: list[Callable[[], None]] = []
        self._on_rollback: list[Callable[[], None]] = []

    def lock(self, wanted: Lock) -> Lock:
        """Return how to read rows that a writer would lock: a snapshot has nothing to lock."""
        return wanted if self.sees_newest else Lock.NONE

    def on_commit(self, effect: Callable[[], None]) -> None:
        """Run `effect` once what was written is durable, before the caller is answered."""
        self._on_commit.append(effect)

    def on_rollback(self, effect: Callable[[], None]) -> None:
        """Run `effect` if nothing of this transaction is kept; newest first."""
        self._on_rollback.append(effect)

    def flush(self) -> None:
        """For the store: nothing more is added."""
        if "events" in self.__dict__:  # A `cached_property` that was used.
            self.events.flush()

    def committed(self) -> None:
        """For the store: what was written is durable."""
        _run_all(self._on_commit)

    def rolled_back(self) -> None:
        """For the store: nothing was kept."""
        _run_all(self._on_rollback[::-1])

    @cached_property
    def allocations(self) -> Allocations:
        """Who holds which device."""
        return Allocations(self._connection)

    @cached_property
    def bandwidths(self) -> Bandwidths:
        """What PFs can guarantee, and what they owe."""
        return Bandwidths(self._connection)

    @cached_property
    def bindings(self) -> Bindings:
        """Which host, segment and device each port has."""
        return Bindings(self._connection)

    @cached_property
    def capacity(self) -> Capacity:
        """How many devices there are on each physical network."""
        return Capacity(self._connection)

    @cached_property
    def changes(self) -> Changes:
        """Which hosts have changed, for those who follow them."""
        return Changes(self._connection)

    @cached_property
    def devices(self) -> Devices:
        """The PFs and VFs of all hosts."""
        return Devices(self._connection)

    @cached_property
    def pools(self) -> Pools:
        """What placement counts of the devices."""
        return Pools(self._connection)

    @cached_property
    def events(self) -> Events:
        """The audit trail."""
        return Events(self._connection)

    @cached_property
    def flavors(self) -> Flavors:
        """Server sizes."""
        return Flavors(self._connection)

    @cached_property
    def hosts(self) -> Hosts:
        """Hosts and their generations."""
        return Hosts(self._connection)

    @cached_property
    def identity(self) -> Identity:
        """Users, projects, roles and tokens."""
        return Identity(self._connection)

    @cached_property
    def images(self) -> Images:
        """Images, without their bytes."""
        return Images(self._connection)

    @cached_property
    def leases(self) -> Leases:
        """Who does which background task."""
        return Leases(self._connection)

    @cached_property
    def networks(self) -> Networks:
        """Networks and their segments."""
        return Networks(self._connection)

    @cached_property
    def pci_flavors(self) -> PciFlavors:
        """Named expressions that say which devices will do."""
        return PciFlavors(self._connection)

    @cached_property
    def ports(self) -> Ports:
        """Ports and their IP addresses."""
        return Ports(self._connection)

    @cached_property
    def quotas(self) -> Quotas:
        """How many devices projects may hold."""
        return Quotas(self._connection)

    @cached_property
    def qos(self) -> QosPolicies:
        """QoS policies, and who has them."""
        return QosPolicies(self._connection)

    @cached_property
    def servers(self) -> Servers:
        """Servers."""
        return Servers(self._connection)

    @cached_property
    def settings(self) -> Settings:
        """Facts of the installation."""
        return Settings(self._connection)

    @cached_property
    def subnets(self) -> Subnets:
        """Subnets."""
        return Subnets(self._connection)


def _run_all(effects: Sequence[Callable[[], None]]) -> None:
    """Run every effect, whatever becomes of another: the outcome they follow is a fact already.

    One that fails is a bug. It is logged, and neither the caller nor the store's own thread, on
    which others wait, pays for it.
    """
    for effect in effects:
        try:
            effect()
        except Exception:  # noqa: BLE001 - told, and the others run
            _log.exception("an effect of a transaction failed")
