"""Privileged: everything for which root is needed, one method an operation."""

from __future__ import annotations

from typing import Protocol

from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import ServerId
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange


class PrivilegedWrites(Protocol):
    """Every method may raise `HostRefused`. All but the last three: see `Kernel`."""

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        """See `Kernel.set_vf`."""
        ...

    def set_vf_count(self, pf: PciAddress, count: int) -> None:
        """See `Kernel.set_vf_count`; returns when the VFs have come."""
        ...

    def rename_netdev(self, old: str, new: str) -> None:
        """See `Kernel.rename_netdev`."""
        ...

    def set_pf_up(self, pf: PciAddress) -> None:
        """See `Kernel.set_pf_up`."""
        ...

    def reload_vf_driver(self, vf: PciAddress) -> None:
        """See `Kernel.reload_vf_driver`; returns when the VF has a netdev again."""
        ...

    def read_vpd(self, address: PciAddress) -> bytes:
        """Read the vital product data of a function, which only root may."""
        ...

    def set_bridge_vlan(
        self, ifname: str, vlan_id: int, *, untagged: bool = False, member: bool = True
    ) -> None:
        """Let a port of a bridge carry a VLAN, or no longer; `untagged`: as its own, untagged.

        A tap that gets a VLAN of its own loses the frames that wait in it: they are of others.
        """
        ...

    def set_fdb_entry(
        self, ifname: str, mac: MacAddress, *, vlan_id: int | None = None, present: bool = True
    ) -> None:
        """Add or remove a static entry of a netdev's own forwarding table (`fdb … self`)."""
        ...


class Privileged(PrivilegedWrites, Protocol):
    """What is needed beside the kernel, too."""

    def read_console(self, server_id: ServerId) -> bytes:
        """See `Hypervisor.console`; libvirt writes it to files that only root may read."""
        ...
