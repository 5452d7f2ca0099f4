"""The control plane of a simulated world: the real one, over a SQLite file that outlives it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from trunkline.control.hosts import ensure_host
from trunkline.control.networking import IdRange, Networking
from trunkline.control.services import Services, make_services
from trunkline.domain.clock import Clock, IdSource
from trunkline.domain.ids import HostName, PhysicalNetwork
from trunkline.netdrivers.builtin import PhysicalNetworkDriver, TunnelDriver
from trunkline.sim.lives import Life
from trunkline.store.engine import Store, open_engine
from trunkline.store.schema import open_store
from trunkline.store.transaction import Transaction

T = TypeVar("T")

PHYSICAL_NETWORKS = (PhysicalNetwork("phy1"), PhysicalNetwork("phy2"))
_FLEET_CHECK_SECONDS = 5  # As often as `trunkline up` looks for hosts that are silent.


def make_database(path: Path, template: Path) -> None:
    """Make an empty database at `path`: a copy, since migrating takes longer than a short run."""
    if not template.exists():
        open_store(f"sqlite:///{template}").close()
    shutil.copyfile(template, path)


class SimStore(Store):
    """The store, with a point before each transaction and one after each commit."""

    def __init__(self, path: Path, life: Life) -> None:
        super().__init__(open_engine(f"sqlite:///{path}"))
        self._life = life

    def write(self, use_case: Callable[[Transaction], T]) -> T:
        """See `Store.write`."""
        self._life.reached("before a transaction")
        result = super().write(use_case)
        self._life.reached("after a commit, before its answer")
        return result


class ControlPlane:
    """One run of the control plane."""

    def __init__(
        self,
        database: Path,
        *,
        clock: Clock,
        ids: IdSource,
        life: Life,
        wake_host: Callable[[HostName], None],
        store_type: type[SimStore] = SimStore,
    ) -> None:
        self.life = life
        self.store = store_type(database, life)
        self.svc: Services = make_services(
            self.store,
            clock=clock,
            ids=ids,
            networking=Networking(
                vlan_ranges=MappingProxyType({
                    name: (IdRange(low, low + 99),)
                    for name, low in zip(PHYSICAL_NETWORKS, (100, 200), strict=True)
                }),
                drivers=(PhysicalNetworkDriver({}), TunnelDriver({})),
            ),
            images_dir=database.parent / "images",
            wake_host=wake_host,
        )  # fmt: skip
        self._clock = clock
        self._checked = clock.now()

    def make_known(self, hosts: tuple[HostName, ...]) -> None:
        """Enrol the hosts."""
        self.store.write(lambda tx: [ensure_host(tx, self.svc, name) for name in hosts])

    def pass_time(self) -> None:
        """Do what the service does every few seconds."""
        if (self._clock.now() - self._checked).total_seconds() >= _FLEET_CHECK_SECONDS:
            self._checked = self._clock.now()
            self.svc.fleet.notice_silence()
