"""Trying out what a PF's driver can set for its VFs, on a VF that nobody has.

Each setting is written, read back and put back. A refusal that says "can't" or "not so" means that
it can't; one that may pass (the VF is in reset, the link is down) means that nobody knows, and the
table of known drivers stands in.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, fields, replace
from typing import Final, Protocol

import structlog

from trunkline.domain.device import DeviceKind, PciFunction
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import LinkState, VfChange, VfSettings, difference
from trunkline.domain.vf_capabilities import VfCapabilities
from trunkline.host.linux.capabilities import Capabilities
from trunkline.host.linux.inventory import VFIO, PfDriver
from trunkline.reconcile.interfaces import HostRefused

_log = structlog.get_logger(__name__)

_CAN_NOT: Final = frozenset(
    errno.errorcode[number]
    for number in (errno.EINVAL, errno.EPROTONOSUPPORT, errno.EPERM, errno.ENOSYS)
) | {"EOPNOTSUPP"}
# Within what every driver takes that has rates at all: ixgbe wants more than 10.
_TRIED_RATE_MBPS: Final = 100
_TRIED_MIN_RATE_MBPS: Final = 50
_TRIED_VLAN: Final = (1, 1)  # VLAN ID and priority.


class Tried(Protocol):
    """The PF that is tried out. All may raise `HostRefused`."""

    def read(self) -> VfSettings:
        """Read the VF's settings, each as the kernel tells it, whatever the driver can do."""
        ...

    def write(self, change: VfChange) -> None:
        """Write to the VF."""
        ...


def probe(tried: Tried, *, link_up: bool, table: VfCapabilities) -> VfCapabilities:
    """Try everything out on one VF, and leave it as it was.

    Args:
        tried: Reads and writes the VF.
        link_up: Whether the PF's link is up; without, drivers refuse rates that they could set.
        table: What stands in for what can't be tried.

    Raises:
        HostRefused: The VF can't be read, or could not be brought back to what it was.
    """
    before = tried.read()

    def holds(change: VfChange, *, otherwise: bool) -> bool:
        try:
            tried.write(change)
        except HostRefused as refusal:
            return False if refusal.errno_name in _CAN_NOT else otherwise
        return difference_is_empty(change, tried.read())

    try:
        able = VfCapabilities(
            vlan_qos=holds(
                VfChange(vlan_id=_TRIED_VLAN[0], vlan_qos=_TRIED_VLAN[1]), otherwise=table.vlan_qos
            ),
            spoof_check=before.spoof_check is not None
            and holds(VfChange(spoof_check=before.spoof_check), otherwise=table.spoof_check),
            trust=before.trust is not None
            and holds(VfChange(trust=before.trust), otherwise=table.trust),
            link_states=frozenset(
                state
                for state in LinkState
                if holds(VfChange(link_state=state), otherwise=state in table.link_states)
            ),
            max_tx_rate=table.max_tx_rate
            if not link_up
            else holds(
                VfChange(min_tx_rate_mbps=0, max_tx_rate_mbps=_TRIED_RATE_MBPS),
                otherwise=table.max_tx_rate,
            ),
            min_tx_rate=table.min_tx_rate
            if not link_up
            else holds(
                VfChange(min_tx_rate_mbps=_TRIED_MIN_RATE_MBPS, max_tx_rate_mbps=_TRIED_RATE_MBPS),
                otherwise=table.min_tx_rate,
            ),
        )
    finally:
        _put_back(tried, before)
    return able


def difference_is_empty(change: VfChange, found: VfSettings) -> bool:
    """Whether every setting that `change` names is as it says."""
    return all(
        getattr(found, field.name) == value
        for field in fields(change)
        if (value := getattr(change, field.name)) is not None
    )


def _put_back(tried: Tried, before: VfSettings) -> None:
    # Each by itself: what the driver lacks would stop the others.
    for field_names in (
        ("vlan_id", "vlan_qos"), ("min_tx_rate_mbps", "max_tx_rate_mbps"), ("link_state",),
        ("spoof_check",), ("trust",),
    ):  # fmt: skip
        found = tried.read()
        wanted = replace(found, **{name: getattr(before, name) for name in field_names})
        change = difference(desired=wanted, observed=found)
        if not change.is_empty:
            tried.write(change)
    after = tried.read()
    if after != before:
        raise HostRefused("put a VF back that was tried out", f"it is {after}, and was {before}")


@dataclass(frozen=True, slots=True)
class VfOfPf:
    """One VF. Satisfies `Tried`."""

    read_raw: Callable[[PciAddress], dict[int, VfSettings]]
    set_vf: Callable[[PciAddress, int, VfChange], None]
    pf: PciAddress
    vf_index: int

    def read(self) -> VfSettings:
        """See `Tried.read`."""
        found = self.read_raw(self.pf)
        if self.vf_index not in found:
            raise HostRefused(f"read VF {self.vf_index} of {self.pf}", "it is not reported")
        return found[self.vf_index]

    def write(self, change: VfChange) -> None:
        """See `Tried.write`."""
        self.set_vf(self.pf, self.vf_index, change)


class ProbedKernel(Protocol):
    """What of `LinuxKernel` is needed here."""

    def pf_driver(self, pf: PciAddress) -> PfDriver:
        """See `LinuxKernel.pf_driver`."""
        ...

    def raw_vf_settings(self, pf: PciAddress) -> dict[int, VfSettings]:
        """See `LinuxKernel.raw_vf_settings`."""
        ...

    def set_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        """See `Kernel.set_vf`."""
        ...

    def is_up(self, ifname: str) -> bool:
        """See `LinuxKernel.is_up`."""
        ...


def probe_host(
    kernel: ProbedKernel,
    capabilities: Capabilities,
    functions: Collection[PciFunction],
    *,
    free: Collection[PciAddress],
) -> None:
    """Try out every PF whose driver, with its firmware, was not tried yet.

    Args:
        kernel: Whose functions these are.
        capabilities: Gets what is seen.
        functions: As read just now.
        free: VFs on offer that nobody holds. One whose netdev is up is somebody's all the same.
    """
    for pf in functions:
        if pf.kind is not DeviceKind.PF or pf.ifname is None:
            continue
        driver = kernel.pf_driver(pf.address)
        if driver.name is None or capabilities.has(driver):
            continue
        for vf in _candidates(kernel, functions, pf, free):
            assert vf.vf_index is not None, "only VFs are candidates"
            tried = VfOfPf(kernel.raw_vf_settings, kernel.set_vf, pf.address, vf.vf_index)
            try:
                seen = probe(tried, link_up=pf.link_up, table=capabilities.of(driver))
                capabilities.remember(driver, seen)
            except (HostRefused, OSError) as problem:
                _log.warning("driver not tried out", pf=str(pf.address), problem=str(problem))
            else:
                _log.info("driver tried out", driver=driver.name, firmware=driver.firmware)
            break


def _candidates(
    kernel: ProbedKernel,
    functions: Iterable[PciFunction],
    pf: PciFunction,
    free: Collection[PciAddress],
) -> list[PciFunction]:
    return [
        each
        for each in functions
        if each.pf_address == pf.address
        and each.address in free
        and each.driver != VFIO
        and (each.ifname is None or not kernel.is_up(each.ifname))
    ]
