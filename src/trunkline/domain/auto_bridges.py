"""`auto` in the place of a bridge's name: the one bridge with an uplink on the physical network."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from trunkline.domain.device import DeviceKind, PciFunction
from trunkline.domain.device_spec import DeviceSpec, Offering
from trunkline.domain.ids import PhysicalNetwork
from trunkline.domain.pci import PciAddress

AUTO: Final = "auto"

Uplinks = Mapping[str, Collection[PciAddress]]  # By bridge: the functions beneath its uplinks.


class NoOneBridge(Exception):
    """Which bridge is meant can't be told; the text says why, and what to do."""


def find_bridge(
    network: PhysicalNetwork,
    functions: Mapping[PciAddress, PciFunction],
    specs: Sequence[DeviceSpec],
    uplinks: Uplinks,
) -> str:
    """Return the one bridge that has a PF as uplink which the specs say is on a physical network.

    Raises:
        NoOneBridge: None has, or several have.
    """
    cabled = (
        device.function.pf_address or device.function.address
        for device in Offering(specs)(functions)
        if device.physical_network == network and device.function.kind is not DeviceKind.PLAIN
    )
    pfs = {address: functions[address] for address in sorted(set(cabled)) if address in functions}
    found = sorted(name for name, beneath in uplinks.items() if not pfs.keys().isdisjoint(beneath))
    if len(found) == 1:
        return found[0]
    if found:
        raise NoOneBridge(
            f"{' and '.join(found)} have PFs on {network} as uplinks; write the name of one of them"
        )
    if not pfs:
        raise NoOneBridge(f"no PF here is on {network} by the device specs; write a bridge's name")
    named = ", ".join(f"{pf.ifname or 'no netdev'} ({pf.address})" for pf in pfs.values())
    raise NoOneBridge(
        f"no bridge has a PF on {network} as uplink, which are {named}:"
        " `ip link set NETDEV master BRIDGE`, or write a bridge's name"
    )


def find_bridges(
    wanted: Mapping[PhysicalNetwork, str],
    functions: Mapping[PciAddress, PciFunction],
    specs: Sequence[DeviceSpec],
    uplinks: Uplinks,
) -> tuple[dict[PhysicalNetwork, str], dict[PhysicalNetwork, str]]:
    """Return the bridges of physical networks, and why those can't be told that are missing."""
    found, faults = {}, {}
    for network, name in wanted.items():
        try:
            is_auto = name == AUTO
            found[network] = find_bridge(network, functions, specs, uplinks) if is_auto else name
        except NoOneBridge as problem:
            faults[network] = str(problem)
    return found, faults
