"""Trying out what a PF's driver can set for its VFs, on a VF that nobody has.

Each setting is written, read back and put back; what it was is remembered before. A refusal that
says "can't" or "not so" means that it can't; one that may pass (the VF is in reset) means that it
is tried again another time. Drivers refuse rates that they could set while the link is down: such a
PF waits.
"""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Final, Protocol

import structlog

from trunkline.domain.device import DeviceKind, PciFunction
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import LinkState, VfChange, VfSettings, VlanProtocol, difference
from trunkline.domain.vf_capabilities import VfCapabilities
from trunkline.host.linux.capabilities import Capabilities
from trunkline.host.linux.inventory import PfDriver
from trunkline.reconcile.interfaces import HostRefused, TrialMemory, TrialOutcome
from trunkline.reconcile.observed import OriginalState

_log = structlog.get_logger(__name__)

_CAN_NOT: Final = frozenset(
    errno.errorcode[number]
    for number in (errno.EINVAL, errno.EPROTONOSUPPORT, errno.EPERM, errno.ENOSYS)
) | {"EOPNOTSUPP"}
# Within what every driver takes that has rates at all: ixgbe wants more than 10.
_TRIED_RATES_MBPS: Final = (50, 100)
_TRIED_VLAN: Final = (1, 1)  # VLAN ID and priority.


class Tried(Protocol):
    """The PF that is tried out. All may raise `HostRefused`."""

    def read(self) -> VfSettings:
        """Read the VF's settings, each as the kernel tells it, whatever the driver can do."""
        ...

    def write(self, change: VfChange) -> None:
        """Write to the VF."""
        ...


def probe(tried: Tried) -> VfCapabilities:
    """Try everything out on one VF of a PF whose link is up, and leave it as it was.

    Raises:
        HostRefused: Something was refused that may be possible at another time, or the VF could not
            be brought back to what it was; nothing was learned.
    """
    before = tried.read()
    # What is so already: if even that is refused, it is not by what the driver can do.
    tried.write(
        VfChange(
            vlan_id=before.vlan_id, vlan_qos=before.vlan_qos, vlan_protocol=before.vlan_protocol
        )
    )

    def holds(change: VfChange) -> bool:
        try:
            tried.write(change)
        except HostRefused as refusal:
            if refusal.errno_name in _CAN_NOT and not refusal.unasked:
                return False
            raise
        return difference_is_empty(change, tried.read())

    vlan_id, vlan_qos = _TRIED_VLAN
    slow, fast = _TRIED_RATES_MBPS
    try:
        return VfCapabilities(
            vlan_qos=holds(VfChange(vlan_id=vlan_id, vlan_qos=vlan_qos)),
            vlan_8021ad=holds(
                VfChange(vlan_id=vlan_id, vlan_qos=0, vlan_protocol=VlanProtocol.DOT1AD)
            ),
            spoof_check=before.spoof_check is not None
            and holds(VfChange(spoof_check=before.spoof_check)),
            trust=before.trust is not None and holds(VfChange(trust=before.trust)),
            link_states=frozenset(
                state for state in LinkState if holds(VfChange(link_state=state))
            ),
            max_tx_rate=holds(VfChange(min_tx_rate_mbps=0, max_tx_rate_mbps=fast)),
            min_tx_rate=holds(VfChange(min_tx_rate_mbps=slow, max_tx_rate_mbps=fast)),
        )
    finally:
        _put_back(tried, before)


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
        ("vlan_id", "vlan_qos", "vlan_protocol"), ("min_tx_rate_mbps", "max_tx_rate_mbps"),
        ("link_state",), ("spoof_check",), ("trust",),
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

    def set_raw_vf(self, pf: PciAddress, vf_index: int, change: VfChange) -> None:
        """See `LinuxKernel.set_raw_vf`."""
        ...

    def is_up(self, ifname: str) -> bool:
        """See `LinuxKernel.is_up`."""
        ...


@dataclass(frozen=True, slots=True)
class LinuxTrials:
    """Satisfies `DriverTrials`; `capabilities` gets what is seen."""

    kernel: ProbedKernel
    capabilities: Capabilities

    def try_out(
        self,
        functions: Mapping[PciAddress, PciFunction],
        free: Callable[[], Collection[PciAddress]],
        memory: TrialMemory,
    ) -> TrialOutcome:
        """See `DriverTrials.try_out`.

        A VF among `free` whose netdev is up is somebody's all the same, and one that has a driver
        and no netdev here: it is in another network namespace, in a guest, or a program's.
        """
        outcome = TrialOutcome()
        free = functools.cache(free)
        for pf in functions.values():
            if pf.kind is not DeviceKind.PF or not pf.link_up:
                continue
            try:
                if self._try_pf(functions, pf, free, memory):
                    outcome = replace(outcome, learned=True)
            except (HostRefused, OSError) as problem:
                _log.warning("driver not tried out", pf=str(pf.address), problem=str(problem))
                outcome = replace(outcome, failed=True)
        return outcome

    def _try_pf(
        self,
        functions: Mapping[PciAddress, PciFunction],
        pf: PciFunction,
        free: Callable[[], Collection[PciAddress]],
        memory: TrialMemory,
    ) -> bool:
        """Try out the driver of one PF, unless that is known; say whether it was tried."""
        kernel = self.kernel
        driver = kernel.pf_driver(pf.address)
        if driver.name is None or self.capabilities.has(driver):
            return False
        vf = next(_candidates(kernel, functions.values(), pf, free()), None)
        if vf is None or vf.vf_index is None:
            return False
        tried = VfOfPf(kernel.raw_vf_settings, kernel.set_raw_vf, pf.address, vf.vf_index)
        before = OriginalState(address=vf.address, settings=tried.read(), driver=vf.driver)
        memory.begin(before)
        try:
            able = probe(tried)
        finally:
            if tried.read() == before.settings:
                memory.end(vf.address)
        self.capabilities.remember(driver, able)
        _log.info("driver tried out", driver=driver.name, firmware=driver.firmware)
        return True

    def put_back(
        self,
        functions: Mapping[PciAddress, PciFunction],
        tried: Mapping[PciAddress, OriginalState],
        memory: TrialMemory,
    ) -> TrialOutcome:
        """See `DriverTrials.put_back`. A VF that can't be brought back stays remembered."""
        outcome = TrialOutcome()
        for address, original in tried.items():
            vf = functions.get(address)
            if vf is not None and vf.pf_address is not None and vf.vf_index is not None:
                assert original.settings is not None, "what is tried are VFs"
                kernel = self.kernel
                of_pf = VfOfPf(
                    kernel.raw_vf_settings, kernel.set_raw_vf, vf.pf_address, vf.vf_index
                )
                try:
                    _put_back(of_pf, original.settings)
                except HostRefused as problem:
                    _log.warning("tried VF not put back", vf=str(address), problem=str(problem))
                    outcome = TrialOutcome(failed=True)
                    continue
            memory.end(address)
        return outcome


def _candidates(
    kernel: ProbedKernel,
    functions: Iterable[PciFunction],
    pf: PciFunction,
    free: Collection[PciAddress],
) -> Iterator[PciFunction]:
    for each in functions:
        if each.pf_address == pf.address and each.address in free and _seems_unused(kernel, each):
            yield each


def _seems_unused(kernel: ProbedKernel, vf: PciFunction) -> bool:
    return vf.driver is None if vf.ifname is None else not kernel.is_up(vf.ifname)
